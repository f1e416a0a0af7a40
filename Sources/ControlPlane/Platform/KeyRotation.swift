import Contract
import Kernel
import Logging
import Sealing
import Workflow

/// Replacing the installation's own keys while everything runs, and finishing what was interrupted.
///
/// How far a rotation has come is in the key files themselves (two master keys, a former token key) and in
/// what each sealed secret says it is sealed under: so whoever comes next goes on from there.
struct KeyRotation: Sendable {
    /// How often it is looked whether something is to be finished.
    static let period = Duration.seconds(10)
    /// The longest that a former token key can go on verifying.
    static let longestOverlap = Duration.seconds(86_400)
    private static let pageSize = 200

    let keys: PlatformKeys
    let store: SealedStore
    let instances: Instances
    let clock: any WallClock
    let logger: Logger

    /// Seals everything under a new master key, and drops the old one; where brands are being provisioned,
    /// once they are.
    ///
    /// A master key that a service manager delivers is not ours to make: what is sealed under the former of
    /// the two that it delivers is sealed under the other, and then it may stop to deliver the former.
    func rotateMasterKey() async throws {
        let doing = KeyRotation.rotatingMasterKey
        try await alone {
            if keys.isMasterKeyDelivered, keys.sealer.formerKeyIds.isEmpty {
                throw Fault(
                    .conflict, doing: doing,
                    "it is a credential of the service manager; put a new key before it first, as "
                        + "runbooks/key-rotation.md says")
            }
            try keys.beginMasterKey()
            try await sealAnew()
            try await endMasterKey(doing: doing)
        }
    }

    /// The next token key signs from now on. The former one verifies for `overlap` more.
    func rotateTokenKey(overlap: Duration) async throws {
        let doing = KeyRotation.rotatingTokenKey
        try await alone {
            if let until = keys.tokens.retireAt {
                throw Fault(
                    .conflict, doing: doing, "the former key still verifies tokens, until \(until)",
                    retryAfter: until - clock.now())
            }
            // Whoever would not know the key yet would refuse what it signs.
            try await tellEveryone(doing: doing)
            try keys.use(keys.tokens.rotated(until: clock.now() + overlap))
            if overlap == .zero { try await retireTokenKey(doing: doing) }
        }
    }

    /// Finishes what is due: a rotation that was interrupted, a token key whose time is over.
    func finishDue() async throws {
        let isHalfway = !keys.isMasterKeyDelivered && !keys.sealer.formerKeyIds.isEmpty
        let isOver = keys.tokens.retireAt.map { $0 <= clock.now() } ?? false
        guard isHalfway || isOver else { return }
        try await alone {
            if isOver, keys.tokens.retireAt != nil { try await retireTokenKey(doing: "drop a token key") }
            if isHalfway {
                try await sealAnew()
                try await endMasterKey(doing: KeyRotation.rotatingMasterKey)
            }
        }
    }

    /// Runs for ever.
    func run(pausing pauses: any Clock<Duration>) async throws {
        if !keys.hasRecovery {
            logger.warning(
                """
                no passphrase can bring the master key back; make one with 'constintel platform \
                rotate-recovery-passphrase'
                """)
        }
        while true {
            do {
                try await finishDue()
            } catch {
                try Task.checkCancellation()
                logger.warning("a rotation of keys is not finished yet: \(error)")
            }
            try await pauses.sleep(for: KeyRotation.period)
        }
    }

    /// The keys by their ids, and what is left to do.
    func view() async throws -> PlatformKeysView {
        let sealer = keys.sealer
        return PlatformKeysView(
            masterKey: sealer.keyId, formerMasterKey: sealer.formerKeyIds.first,
            sealedUnderFormer: try await store.countNotUnder(sealer.keyId),
            isMasterKeyDelivered: keys.isMasterKeyDelivered, hasRecoveryPassphrase: keys.hasRecovery,
            tokenKeys: keys.tokens.uses.map { PlatformKeysView.TokenKey(id: $0.id, use: $0.use) },
            formerTokenKeyUntil: keys.tokens.retireAt)
    }

    static let rotatingMasterKey = "rotate the master key"
    static let rotatingTokenKey = "rotate the token key"
}

extension KeyRotation {
    private func alone(_ body: () async throws -> Void) async throws {
        try await store.pool.transaction { transaction in
            try await store.hold(in: transaction)
            try await body()
        }
    }

    /// Seals under the present key what is not. Each instance is committed by itself, before any key goes.
    private func sealAnew() async throws {
        let sealer = keys.sealer
        var cursor = ""
        while true {
            let page = try await store.notUnder(sealer.keyId, after: cursor, limit: KeyRotation.pageSize)
            guard let last = page.last else { return }
            cursor = last.slug.text
            for secrets in page {
                func anew(_ sealed: SealedSecret, _ secret: InstanceSecret) throws -> SealedSecret {
                    let context = secret.context(secrets.slug)
                    return sealer.seal(try sealer.openBytes(sealed, for: context), for: context)
                }
                try await store.replace(
                    secrets,
                    by: SealedStore.Secrets(
                        slug: secrets.slug, postgres: anew(secrets.postgres, .postgresPassword),
                        redis: anew(secrets.redis, .redisPassword)))
                try Failpoint.hit("platform.masterKey.sealedAnew")
            }
        }
    }

    /// Drops the former key, unless somebody may still seal under it: a brand that is being provisioned.
    private func endMasterKey(doing: String) async throws {
        let waiting = try await store.beingProvisioned()
        guard waiting.isEmpty else {
            // Whoever delivers the keys would take the former one away at this answer.
            if keys.isMasterKeyDelivered {
                throw Fault(
                    .unavailable, doing: doing,
                    "the former key is needed until these brands are provisioned: "
                        + waiting.joined(separator: ", "), retryAfter: KeyRotation.period)
            }
            return logger.notice(
                "the former master key is dropped once brands are provisioned",
                metadata: ["brands": "\(waiting.joined(separator: ", "))"])
        }
        let left = try await store.countNotUnder(keys.sealer.keyId)
        guard left == 0 else {
            throw Fault(.unavailable, doing: doing, "\(left) instances are still under the former key")
        }
        try keys.endMasterKey()
        logger.notice("the master key is another", metadata: ["key": "\(keys.sealer.keyId)"])
    }

    private func retireTokenKey(doing: String) async throws {
        try keys.use(keys.tokens.retired())
        try Failpoint.hit("platform.tokenKey.retired")
        try await store.raiseRevisions()
        try await tellEveryone(doing: doing)
        logger.notice("a token key was dropped")
    }

    /// Projects to every brand that has an instance and is not deleted, also where an operation is stuck.
    private func tellEveryone(doing: String) async throws {
        var cursor = ""
        var failed: [String] = []
        while true {
            let page = try await store.living(after: cursor, limit: KeyRotation.pageSize)
            guard let last = page.last else { break }
            cursor = last.text
            for slug in page {
                do { try await instances.project(slug) } catch {
                    try Task.checkCancellation()
                    failed.append(slug.text)
                }
            }
        }
        guard failed.isEmpty else {
            throw Fault(
                .unavailable, doing: doing,
                "these brands cannot be told: \(failed.prefix(20).joined(separator: ", "))",
                retryAfter: KeyRotation.period)
        }
    }
}
