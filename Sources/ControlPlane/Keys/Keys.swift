import Contract
import Kernel
import Logging
import Postgres
import Sealing

/// Making, showing, rotating and revoking brands' API keys.
struct Keys: Sendable {
    static let revoking = "revoke the key"
    static let rotating = "rotate the key"
    /// How long a key that is replaced goes on working where nothing is said, and at most.
    static let overlap = Duration.days(1)
    static let longestOverlap = Duration.days(30)

    let store: KeyStore
    let instances: Instances
    let clock: any WallClock
    let logger: Logger

    /// A key that may be made.
    struct Minted: Sendable {
        let specification: KeySpecification
        let text: APIKeyText.Minted
    }

    /// Checks a draft and chooses the key.
    func mint(_ draft: KeyDraft, for brand: Brand) throws(Fault) -> Minted {
        let specification = try KeySpecification(draft, now: clock.now())
        guard brand.status != .provisioning else {
            throw Fault(.conflict, doing: KeySpecification.doing, "the brand is still being provisioned")
        }
        return Minted(
            specification: specification, text: APIKeyText.mint(brand.slug, specification.environment))
    }

    /// Makes a key and shows it, this once.
    ///
    /// - Throws: `Fault.limited` when the plan allows no more keys, `Fault.invalid` when it does not allow
    ///   what the key is to be for.
    func create(
        _ key: Minted, for brand: Brand, in transaction: PostgresTransaction
    ) async throws -> KeyCreated {
        let allowed = try await store.allowance(brand.id, in: transaction)
        let (doing, specification) = (KeySpecification.doing, key.specification)
        guard allowed.remaining > 0 else {
            throw Fault(
                .limited, doing: doing, "the plan '\(brand.plan)' allows no more keys; revoke one")
        }
        if let most = allowed.eventsPerSecond, let wanted = specification.eventsPerSecond, wanted > most {
            throw Fault(
                .invalid, doing: doing, "the plan '\(brand.plan)' allows \(most) events per second",
                field: "eventsPerSecond")
        }
        if specification.environment == .browser, specification.origins.isEmpty, !allowed.hasOrigins {
            throw Fault(
                .invalid, doing: doing,
                "expected the sites whose pages may use it, since the brand's settings name none",
                field: "origins")
        }
        let view = try await store.insert(
            specification, key.text, of: brand.id, replacing: nil, in: transaction)
        try await instances.store.raiseRevision(brand.id, in: transaction)
        return KeyCreated(key: key.text.key.reveal(), view: view)
    }

    /// Tells the instance of a key that was made. The key is shown once, so it is answered in any case: where
    /// this fails, the reconciler tells the instance.
    func projectCreation(for brand: Brand) async {
        do {
            try await instances.project(brand.slug)
        } catch {
            logger.warning("a new key is not projected yet: \(error)", metadata: ["brand": "\(brand.slug)"])
        }
    }

    /// A page of a brand's keys, with when they were last used. It wakes nobody.
    func list(of brand: Brand, after cursor: Cursor?, limit: Int) async throws -> Page<KeyView> {
        let found = try await store.list(of: brand.id, after: cursor?.position, limit: limit + 1)
        var items = Array(found.prefix(limit))
        if !items.isEmpty {
            let uses = try await instances.tenants.keyUses(brand.slug, of: items.map(\.publicId))
            for index in items.indices { items[index].lastUsedAt = uses[items[index].publicId] }
        }
        return Page(items: items, nextCursor: found.count > limit ? Cursor(items.last?.publicId).text : nil)
    }

    /// Revokes a key; one that is revoked already stays so.
    ///
    /// - Throws: `Fault.notFound` when the brand has no such key.
    func revoke(_ publicId: String, of brand: Brand, in transaction: PostgresTransaction) async throws {
        guard try await store.revoke(publicId, of: brand.id, in: transaction) else {
            throw unknown(publicId, doing: Keys.revoking)
        }
        try await instances.store.raiseRevision(brand.id, in: transaction)
    }

    /// When it returns, the brand's schema says what was revoked, and within a second the instance does.
    func projectRevocation(of slug: Slug) async throws {
        do {
            try await instances.project(slug)
        } catch {
            throw Fault(
                .unavailable, doing: Keys.revoking,
                "the key is revoked, but its instance could not be told yet", retryAfter: .seconds(5),
                cause: error)
        }
    }

    private func unknown(_ publicId: String, doing: String) -> Fault {
        Fault(.notFound, doing: doing, "the brand has no key '\(publicId.prefix(40))'")
    }
}

// MARK: - Rotation

extension Keys {
    /// How long the old key is to go on working.
    ///
    /// - Throws: `Fault.invalid`.
    static func overlap(_ rotation: APIKeyRotation) throws(Fault) -> Duration {
        guard let seconds = rotation.overlapSeconds else { return overlap }
        guard (0...Int(longestOverlap.inSeconds)).contains(seconds) else {
            throw Fault(
                .invalid, doing: rotating,
                "expected 0, which ends the old key now, to \(Int(longestOverlap.inSeconds)), which is 30 "
                    + "days", field: "overlapSeconds")
        }
        return .seconds(seconds)
    }

    /// Makes a key in the place of one, for the same and under the same limits, and shows it, this once. The
    /// old one goes on working for `overlap`.
    ///
    /// A plan counts both as one, so no more than two of a line may work at once.
    ///
    /// - Throws: `Fault.notFound`; `Fault.conflict` when the key works no more, was replaced before, or one
    ///   that it has replaced still works.
    func rotate(
        _ publicId: String, of brand: Brand, overlap: Duration, in transaction: PostgresTransaction
    ) async throws -> KeyCreated {
        _ = try await store.allowance(brand.id, in: transaction)
        guard let old = try await store.key(publicId, of: brand.id, in: transaction) else {
            throw unknown(publicId, doing: Keys.rotating)
        }
        let now = clock.now()
        if let replacedBy = old.replacedBy {
            throw refusal("it was replaced by '\(replacedBy)' already; rotate that one")
        }
        if old.revokedAt != nil { throw refusal("it was revoked; create another") }
        if let expiresAt = old.expiresAt, expiresAt <= now {
            throw refusal("it has expired; create another")
        }
        if overlap > .zero, let older = try await store.workingPredecessor(of: publicId, in: transaction) {
            throw refusal(
                "the key '\(older)', which it has replaced, still works; revoke that one first, or rotate "
                    + "with overlapSeconds 0")
        }
        let specification = try KeySpecification(again: old, now: now)
        let minted = APIKeyText.mint(brand.slug, specification.environment)
        let view = try await store.insert(
            specification, minted, of: brand.id, replacing: publicId, in: transaction)
        try await store.end(publicId, at: now + overlap, in: transaction)
        try await instances.store.raiseRevision(brand.id, in: transaction)
        return KeyCreated(key: minted.key.reveal(), view: view)
    }

    private func refusal(_ why: String) -> Fault { Fault(.conflict, doing: Keys.rotating, why) }
}
