import Contract
import Kernel
import Postgres
import Supervision
import Workflow

/// Making and showing brands.
struct Brands: Sendable {
    let store: BrandStore
    let operations: OperationStore
    let idempotency: IdempotencyStore
    let executor: SagaExecutor
    let provisioning: Saga
    let supervisor: any Supervisor
    let clock: any WallClock

    /// Reserves the brand and begins to provision it; the answer is the operation to follow.
    func create(
        _ draft: BrandDraft, by principal: String, key: IdempotencyKey?
    ) async throws -> Once<OperationView> {
        let brand = try BrandSpecification(draft)
        let operation = OperationDraft(
            id: UUIDv7(at: clock.now()), saga: provisioning, subject: brand.slug.text, input: [:],
            requestedBy: principal)
        let answer = try await idempotency.once(key, doing: BrandSpecification.doing) { transaction in
            try await store.insert(brand, id: BrandID(at: clock.now()), in: transaction)
            try await operations.insert(operation, in: transaction)
            let now = clock.now()
            return OperationView(
                id: OperationID(operation.id), kind: provisioning.kind, subject: brand.slug.text,
                state: .pending, createdAt: now, updatedAt: now)
        }
        executor.poke()
        return answer
    }

    /// The brand of this slug as it is meant and as it is seen to be.
    func show(_ slug: String) async throws -> BrandView {
        try await view(brand(slug, doing: "show the brand"))
    }

    /// The brand of this slug.
    ///
    /// - Throws: `Fault.notFound`, also for what cannot be a slug.
    func brand(_ slug: String, doing: String) async throws -> Brand {
        guard let slug = try? Slug(slug), let brand = try await store.brand(slug) else {
            throw Fault(.notFound, doing: doing, "there is no brand '\(slug.prefix(40))'")
        }
        return brand
    }

    /// A page of brands by slug; only one where the asker may see no others.
    func list(only slug: String?, after cursor: Cursor?, limit: Int) async throws -> Page<BrandView> {
        let found = try await store.list(only: slug, after: cursor?.position, limit: limit + 1)
        var views: [BrandView] = []
        for brand in found.prefix(limit) { views.append(await view(brand)) }
        return Page(items: views, nextCursor: found.count > limit ? Cursor(views.last?.slug.text).text : nil)
    }

    private func view(_ brand: Brand) async -> BrandView {
        let status = await supervisor.status(brand.slug.unitName)
        return BrandView(
            brand,
            instance: BrandView.Instance(
                state: status?.state.rawValue ?? "unknown", generation: brand.generation, pid: status?.pid,
                restarts: status?.restarts ?? 0))
    }
}
