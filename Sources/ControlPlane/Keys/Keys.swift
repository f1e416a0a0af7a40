import Contract
import Kernel
import Logging
import Postgres
import Sealing

/// Making, showing and revoking brands' API keys.
struct Keys: Sendable {
    let store: KeyStore
    let instances: Instances
    let idempotency: IdempotencyStore
    let clock: any WallClock
    let logger: Logger

    /// Makes a key and shows it, this once.
    func create(_ draft: KeyDraft, for brand: Brand, key: IdempotencyKey?) async throws -> Once<KeyCreated> {
        let specification = try KeySpecification(draft, now: clock.now())
        try requireProvisioned(brand, doing: KeySpecification.doing)
        let minted = APIKeyText.mint(brand.slug, specification.environment)
        let answer = try await idempotency.once(key, doing: KeySpecification.doing) {
            KeyCreated(key: "shown once, when the key was created", view: $0.view)
        } _: { transaction in
            guard try await store.remaining(brand.id, in: transaction) > 0 else {
                throw Fault(
                    .limited, doing: KeySpecification.doing,
                    "the plan '\(brand.plan)' allows no more keys; revoke one")
            }
            let view = try await store.insert(specification, minted, of: brand.id, in: transaction)
            try await instances.store.raiseRevision(brand.id, in: transaction)
            return KeyCreated(key: minted.key.reveal(), view: view)
        }
        do {
            try await instances.project(brand.slug)
        } catch {
            // The key is made and shown once, so it is answered; the reconciler tells the instance.
            logger.warning("a new key is not projected yet: \(error)", metadata: ["brand": "\(brand.slug)"])
        }
        return answer
    }

    /// A page of a brand's keys.
    func list(of brand: Brand, after cursor: Cursor?, limit: Int) async throws -> Page<KeyView> {
        let found = try await store.list(of: brand.id, after: cursor?.position, limit: limit + 1)
        let items = Array(found.prefix(limit))
        return Page(items: items, nextCursor: found.count > limit ? Cursor(items.last?.publicId).text : nil)
    }

    /// Revokes a key. When it returns, the brand's schema says so, and within a second the instance does.
    func revoke(_ publicId: String, of brand: Brand) async throws {
        let doing = "revoke the key"
        let found = try await store.pool.transaction { transaction in
            let found = try await store.revoke(publicId, of: brand.id, in: transaction)
            if found { try await instances.store.raiseRevision(brand.id, in: transaction) }
            return found
        }
        guard found else {
            throw Fault(.notFound, doing: doing, "the brand has no key '\(publicId.prefix(40))'")
        }
        do {
            try await instances.project(brand.slug)
        } catch {
            throw Fault(
                .unavailable, doing: doing, "the key is revoked, but its instance could not be told yet",
                retryAfter: .seconds(5), cause: error)
        }
    }

    private func requireProvisioned(_ brand: Brand, doing: String) throws(Fault) {
        guard brand.status != .provisioning else {
            throw Fault(.conflict, doing: doing, "the brand is still being provisioned")
        }
    }
}
