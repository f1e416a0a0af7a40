import Contract
import Kernel
import Logging
import Postgres
import Sealing

/// Making, showing and revoking brands' API keys.
struct Keys: Sendable {
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
    func create(
        _ key: Minted, for brand: Brand, in transaction: PostgresTransaction
    ) async throws -> KeyCreated {
        guard try await store.remaining(brand.id, in: transaction) > 0 else {
            throw Fault(
                .limited, doing: KeySpecification.doing,
                "the plan '\(brand.plan)' allows no more keys; revoke one")
        }
        let view = try await store.insert(key.specification, key.text, of: brand.id, in: transaction)
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

    /// A page of a brand's keys.
    func list(of brand: Brand, after cursor: Cursor?, limit: Int) async throws -> Page<KeyView> {
        let found = try await store.list(of: brand.id, after: cursor?.position, limit: limit + 1)
        let items = Array(found.prefix(limit))
        return Page(items: items, nextCursor: found.count > limit ? Cursor(items.last?.publicId).text : nil)
    }

    /// Revokes a key; one that is revoked already stays so.
    ///
    /// - Throws: `Fault.notFound` when the brand has no such key.
    func revoke(_ publicId: String, of brand: Brand, in transaction: PostgresTransaction) async throws {
        guard try await store.revoke(publicId, of: brand.id, in: transaction) else {
            throw Fault(
                .notFound, doing: Keys.revoking, "the brand has no key '\(publicId.prefix(40))'")
        }
        try await instances.store.raiseRevision(brand.id, in: transaction)
    }

    /// When it returns, the brand's schema says what was revoked, and within a second the instance does.
    func projectRevocation(of brand: Brand) async throws {
        do {
            try await instances.project(brand.slug)
        } catch {
            throw Fault(
                .unavailable, doing: Keys.revoking,
                "the key is revoked, but its instance could not be told yet", retryAfter: .seconds(5),
                cause: error)
        }
    }

    static let revoking = "revoke the key"
}
