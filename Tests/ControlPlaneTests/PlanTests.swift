import Contract
import Foundation
import Kernel
import Testing

@testable import ControlPlane

@Suite("Plans")
struct PlanTests {
    private let plans = "/api/admin/plans"

    @Test("a changed plan holds for its brands at once, and for no others")
    func changes() async throws {
        try await TestPlane.with { test in
            let (free, pro) = (try TestPlane.slug(), try TestPlane.slug())
            try await test.provision(free)
            try await test.provision(pro, plan: "pro")
            var plan = try await test.plan("free")
            #expect(plan.version == 1 && !plan.isEdited && plan.brands == 1)
            plan.limits.eventsPerMonth = 77
            plan.limits.connections = 4
            let written = try await test.write(plan)
            #expect(written.status == 200)
            let view = try written.decode(PlanView.self)
            #expect(view.version == 2 && view.isEdited && view.limits.eventsPerMonth == 77)
            try await test.plane.reconciler.pass()
            #expect(try await test.limit("eventsPerMonth", of: free) == 77)
            #expect(try await test.limit("eventsPerMonth", of: pro) == nil)
            let connections = try await test.foundations.brands.run(
                "select rolconnlimit from pg_roles where rolname = \(free.runtimeRole)")
            #expect(try connections[0].decode(0, as: Int32.self) == 8)

            let reset = try await test.call(.post, "\(plans)/free/reset")
            #expect(try reset.decode(PlanView.self).limits == TestPlane.plans[0].limits)
            #expect(try await test.plan("free").isEdited == false)
        }
    }

    @Test("a plan that somebody else has changed meanwhile is not overwritten, nor by a new release")
    func versions() async throws {
        try await TestPlane.with { test in
            var plan = try await test.plan("pro")
            plan.limits.users = 3
            #expect(try await test.write(plan).status == 200)
            let stale = try await test.write(plan)
            #expect(stale.status == 409)
            #expect(try stale.problem.field == "version")
            plan.version = 99
            #expect(try await test.write(plan).status == 409)
            var installed = TestPlane.plans
            installed[0].limits.users = 8
            installed[1].limits.users = 9
            let store = PlanStore(pool: test.foundations.control)
            #expect(try await store.install(installed) == ["free"])
            #expect(try await store.install(installed) == [])
            #expect(try await test.plan("pro").limits.users == 3)
            #expect(try await test.plan("free").limits.users == 8)
        }
    }

    @Test("a plan of one's own can be made from nothing, chosen, and deleted when no brand has it")
    func ownPlans() async throws {
        try await TestPlane.with { test in
            let draft = PlanDraft(initialStatus: .active, limits: TestPlane.plans[0].limits)
            #expect(try await test.call(.put, "\(plans)/agency", draft).status == 200)
            #expect(try await test.call(.put, "\(plans)/agency", draft).status == 409)
            let slug = try TestPlane.slug()
            try await test.provision(slug, plan: "agency")
            #expect(try await test.view(slug).status == .active)
            #expect(try await test.call(.delete, "\(plans)/agency").status == 409)
            #expect(try await test.call(.post, "\(plans)/agency/reset").status == 409)
            try await test.perform([Scenario.Call(.post, "/plan") { _ in PlanChange(plan: "pro") }], slug)
            #expect(try await test.call(.delete, "\(plans)/agency").status == 204)
            #expect(try await test.call(.delete, "\(plans)/agency").status == 404)
            #expect(try await test.call(.delete, "\(plans)/pro").status == 409)
        }
    }

    @Test(
        "a wrong plan is refused with the field that is wrong",
        arguments: [
            (#"{"initialStatus":"suspended","limits":L}"#, "initialStatus"),
            (#"{"initialStatus":"trial","trialDays":0,"limits":L}"#, "trialDays"),
            (#"{"initialStatus":"active"}"#, "limits"),
            (#"{"initialStatus":"active","limits":{"eventsPerSecond":1}}"#, "limits.streamEntries"),
            (#"{"initialStatus":"active","limits":L,"price":1}"#, "price"),
            (#"{"initialStatus":"active","limits":L+"eventsPerMonht":5}}"#, "limits.eventsPerMonht"),
            (#"{"initialStatus":"active","limits":L+"retentionDays":7}}"#, "limits.retentionDays"),
            (#"{"initialStatus":"active","limits":L+"features":["a b"]}}"#, "limits.features"),
        ])
    func refusals(body: String, field: String) async throws {
        let limits = #"{"eventsPerSecond":1,"streamEntries":1,"connections":2,"apiKeys":1"#
        let text = body.replacing("L+", with: limits + ",").replacing("L", with: limits + "}")
        try await TestPlane.with { test in
            let refused = try await test.send(.put, "\(plans)/mine", text: text)
            #expect(refused.status == 400)
            #expect(try refused.problem.field == field)
            #expect(try await test.call(.get, "\(plans)/mine").status == 404)
        }
    }

    @Test("a downgrade that does not fit says what is over, and is done when that is accepted")
    func downgrade() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug, plan: "pro")
            for number in 1...3 {
                let key = KeyDraft(name: "key \(number)")
                #expect(
                    try await test.call(.post, "/api/admin/brands/\(slug)/keys", key).status == 201)
            }
            try await test.foundations.brands.run(
                "update \(identifier: slug.schemaName).brand_totals set profiles = 1234")
            try await test.foundations.brands.run(
                """
                insert into \(identifier: slug.schemaName).customer_raw_event
                    (id, created_at, event_type, occurred_at, channel, source, event_key, payload)
                select gen_random_uuid(), at, 'page_view', at, 'web', 'api', 'old', '{}'
                from (select now() - interval '200 days' as at) as long
                """)
            var free = try await test.plan("free")
            free.limits.profiles = 1000
            free.limits.retentionDays = 90
            #expect(try await test.write(free).status == 200)
            let path = "/api/admin/brands/\(slug)"
            let usage = try await test.call(.get, "\(path)/usage?plan=free").decode(UsageView.self)
            #expect(usage.items.filter(\.isOver).map(\.name) == ["profiles", "apiKeys", "retentionDays"])
            #expect(
                try await test.call(.get, "\(path)/usage").decode(UsageView.self).items
                    .contains(where: \.isOver) == false)
            let refused = try await test.call(.post, "\(path)/plan", PlanChange(plan: "free"))
            #expect(refused.status == 409)
            let detail = try refused.problem.detail
            #expect(detail.contains("1234 profiles of 1000, 3 apiKeys of 2, "))
            #expect(detail.contains(" retentionDays of 90"))
            let change = PlanChange(plan: "free", acceptOver: true)
            try await test.perform([Scenario.Call(.post, "/plan") { _ in change }], slug)
            #expect(try await test.view(slug).plan == "free")
            let more = try await test.call(.post, "\(path)/keys", KeyDraft(name: "one more"))
            #expect(more.status == 429)
        }
    }

    @Test("a brand has no more users than its plan allows, also when the last place is asked for twice")
    func users() async throws {
        try await TestPlane.with { test in
            var plan = try await test.plan("free")
            plan.limits.users = 2
            #expect(try await test.write(plan).status == 200)
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let answers = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<4 {
                    let draft = UserDraft(
                        email: "u\(number)@example.com", role: .brandUser, brand: slug.text)
                    group.addTask { try await test.call(.post, "/api/admin/users", draft).status }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.sorted() == [201, 201, 429, 429])
            let staff = UserDraft(email: "sre@example.com", role: .operator)
            #expect(try await test.call(.post, "/api/admin/users", staff).status == 201)
        }
    }

    @Test("a trial ends on its day; it can be extended, outgrown, and not be had twice")
    func trials() async throws {
        try await TestPlane.with { test in
            var plan = try await test.plan("free")
            plan.trialDays = 14
            #expect(try await test.write(plan).status == 200)
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let end = try #require(try await test.view(slug).trialEndsAt)
            test.clock.advance(by: .days(13))
            #expect(try await test.plane.lifecycle.endTrials(logger: TestPlane.silent) == 0)
            test.clock.advance(by: .days(1))
            try await test.endTrial(of: slug)
            var brand = try await test.view(slug)
            #expect(brand.status == .suspended && brand.statusReason == "the trial has ended")
            #expect(try await test.projectedStatus(slug) == "suspended")

            try await test.perform([.init(.post, "/trial") { _ in TrialChange(days: 7) }], slug)
            brand = try await test.view(slug)
            #expect(brand.status == .trial && brand.statusReason == nil)
            #expect(try #require(brand.trialEndsAt) > end)
            test.clock.advance(by: .days(8))
            try await test.endTrial(of: slug)

            try await test.perform([.init(.post, "/plan") { _ in PlanChange(plan: "pro") }], slug)
            #expect(try await test.view(slug).status == .active)
            let refused = try await test.call(
                .post, "/api/admin/brands/\(slug)/trial", TrialChange(days: 7))
            #expect(refused.status == 409)
            try await test.perform([.init(.post, "/plan") { _ in PlanChange(plan: "free") }], slug)
            #expect(try await test.view(slug).status == .trial)
            try await test.endTrial(of: slug)
            #expect(try await test.view(slug).status == .suspended)
        }
    }

    @Test("who is suspended for another reason stays so when the plan changes")
    func suspension() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let suspend = Scenario.Call(.post, "/suspend") { _ in ReasonBody(reason: "fraud") }
            try await test.perform([suspend, .init(.post, "/plan") { _ in PlanChange(plan: "pro") }], slug)
            let brand = try await test.view(slug)
            #expect(brand.status == .suspended && brand.statusReason == "fraud")
        }
    }
}

extension TestPlane {
    fileprivate func plan(_ name: String) async throws -> PlanView {
        try await call(.get, "/api/admin/plans/\(name)").decode(PlanView.self)
    }

    fileprivate func write(_ plan: PlanView) async throws -> Answer {
        try await call(
            .put, "/api/admin/plans/\(plan.name)",
            PlanDraft(
                initialStatus: plan.initialStatus, trialDays: plan.trialDays, limits: plan.limits,
                version: plan.version))
    }

    /// What the brand's schema says of one limit.
    fileprivate func limit(_ name: String, of slug: Slug) async throws -> Int? {
        let rows = try await foundations.brands.run(
            "select (limits->>\(name))::int from \(identifier: slug.schemaName).brand_state")
        return try rows[0].decode(0, as: Int?.self)
    }

    /// Does what the job does, and waits for what comes of it.
    fileprivate func endTrial(of slug: Slug) async throws {
        #expect(try await plane.lifecycle.endTrials(logger: TestPlane.silent) == 1)
        #expect(try await settle(#require(operations(on: slug).first).id).state == .done)
    }
}
