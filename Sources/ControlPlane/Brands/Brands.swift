import Contract
import Kernel
import Postgres
import Supervision
import Workflow

/// Making and showing brands.
struct Brands: Sendable {
    let store: BrandStore
    let operations: OperationStore
    let provisioning: Saga
    let reconciler: Reconciler
    let installed: Releases
    let supervisor: any Supervisor
    let clock: any WallClock

    /// Reserves the brand and begins to provision it; the answer is the operation to follow, once the
    /// executor was poked.
    func create(
        _ draft: BrandDraft, by principal: String, in transaction: PostgresTransaction
    ) async throws -> OperationView {
        let brand = try BrandSpecification(draft)
        let now = clock.now()
        let id = UUIDv7(at: now)
        try await store.insert(brand, id: BrandID(at: now), in: transaction)
        try await operations.insert(
            OperationDraft(
                id: id, saga: provisioning, subject: brand.slug.text, input: [:], requestedBy: principal),
            in: transaction)
        return OperationView(
            id: OperationID(id), kind: provisioning.kind, subject: brand.slug.text, state: .pending,
            requestedBy: principal, createdAt: now, updatedAt: now)
    }

    /// What `create` would do; it refuses what that would refuse.
    func plan(_ draft: BrandDraft) async throws -> OperationPlan {
        let brand = try BrandSpecification(draft)
        try await store.requireFree(brand.slug, plan: brand.plan)
        return try await OperationPlan(of: provisioning, on: brand.slug, input: [:])
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

    /// Has the reconciler leave the brand's instance alone, or take it up again.
    func pause(
        _ slug: Slug, reason: String?, in transaction: PostgresTransaction
    ) async throws -> BrandView {
        var view = try await show(slug.text)
        try await store.pause(slug, reason: reason, in: transaction)
        view.instance.pausedReason = reason
        return view
    }

    /// How many brands each release is meant to serve; the daemon's own is `current`.
    func releases() async throws -> [ReleaseView] {
        let counts = try await store.releases()
        return (["current"] + installed.installed()).map { ReleaseView(name: $0, brands: counts[$0] ?? 0) }
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
        var instance = brand.instance
        instance.state = status?.state.rawValue ?? (instance.intent == nil ? "unknown" : "stopped")
        instance.pid = status?.pid
        instance.restarts = status?.restarts ?? 0
        return BrandView(brand, instance: instance)
    }
}
