import Contract
import Kernel
import Postgres

/// What brands use of what their plans allow. It wakes no sleeping instance.
struct Usage: Sendable {
    static let doing = "show the brand's usage"

    let brands: Brands
    let store: UsageStore
    let tenants: TenantStore
    let plans: PlanStore
    let clock: any WallClock

    /// What the brand uses, beside what its plan allows, or another that it might be put on.
    ///
    /// - Throws: `Fault.notFound`, `Fault.invalid` when there is no such plan, `Fault.conflict` before the
    ///   brand has a schema.
    func show(_ slug: String, under plan: String?) async throws -> UsageView {
        let brand = try await brands.brand(slug, doing: Usage.doing)
        guard brand.status != .provisioning else {
            throw Fault(.conflict, doing: Usage.doing, "the brand is still being provisioned")
        }
        let name = plan ?? brand.plan
        guard let limits = try await plans.plan(name, on: plans.pool)?.limits else {
            throw Fault(.invalid, doing: Usage.doing, "there is no plan '\(name.prefix(40))'", field: "plan")
        }
        let tenant = try await tenants.usage(brand.slug, at: clock.now(), timeZone: brand.timeZone)
        let control = try await store.counts(brand.id, at: clock.now())
        return UsageView(
            timeZone: brand.timeZone, month: tenant.month,
            items: [
                .init("eventsPerMonth", used: tenant.events, limit: limits.eventsPerMonth),
                .init("testEventsPerMonth", used: tenant.testEvents, limit: limits.eventsPerMonth),
                .init("profiles", used: tenant.profiles, limit: limits.profiles),
                .init("users", used: control.users, limit: limits.users),
                .init("apiKeys", used: control.keys, limit: limits.apiKeys),
                // What a shorter retention takes away is gone for good, so it counts as used.
                .init("retentionDays", used: tenant.retentionDays, limit: limits.retentionDays),
            ])
    }

    /// - Throws: `Fault.conflict` that says what the brand uses more of than `plan` allows.
    func requireFit(_ slug: Slug, under plan: String, doing: String) async throws {
        let over = try await show(slug.text, under: plan).items.filter(\.isOver)
        guard over.isEmpty else {
            let list = over.map { "\($0.used) \($0.name) of \($0.limit ?? 0)" }.joined(separator: ", ")
            throw Fault(
                .conflict, doing: doing,
                "the brand uses more than the plan '\(plan)' allows: \(list); when the change is asked for "
                    + "with acceptOver, it keeps what it has but for older events, and gets no more",
                field: "acceptOver")
        }
    }
}
