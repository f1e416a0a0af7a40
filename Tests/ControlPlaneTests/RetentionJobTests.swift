import Contract
import Foundation
import Kernel
import Postgres
import TestSupport
import Testing

@testable import ControlPlane

@Suite("The job that folds old events")
struct RetentionJobTests {
    @Test("a brand's months go when all of each is older than it keeps them, and no other brand's")
    func months() async throws {
        try await TestPlane.with { test in
            let (kept, folded) = (try TestPlane.slug(), try TestPlane.slug())
            for slug in [kept, folded] { try await test.provision(slug) }
            try await test.keep(days: 60, folded)
            for slug in [kept, folded] { try await test.fillMonths(of: slug) }
            #expect(try await test.retain().counts == ["brands": 1, "months": 0, "rows": 0, "failed": 0])
            // Of this month and the two after it, then the first has ended longer ago than that.
            test.goTo(day: 92)
            #expect(try await test.retain().counts == ["brands": 1, "months": 1, "rows": 98, "failed": 0])
            #expect(try await test.rows(of: folded) == 202)
            #expect(try await test.rows(of: kept) == 300)
            #expect(try await test.retain().counts == ["brands": 1, "months": 0, "rows": 0, "failed": 0])
        }
    }

    @Test("a plan tells what would go, with rows and sizes, and nothing goes")
    func plan() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            try await test.keep(days: 30, slug)
            try await test.fillMonths(of: slug)
            test.goTo(day: 62)
            let answer = try await test.call(.post, "/api/admin/jobs/retention/run?plan=true")
            let effects = try answer.decode(OperationPlan.self).steps[0].effects.map(\.action)
            #expect(effects.count == 2, "\(effects)")
            let month = SystemWallClock().now().description.prefix(7).replacing("-", with: "_")
            #expect(
                effects.last?.hasPrefix(
                    "replace \(slug.schemaName).customer_raw_event_\(month) by its checkpoint: 100 rows, ")
                    == true, "\(effects)")
            #expect(effects.last?.hasSuffix("kB") == true)
            #expect(try await test.rows(of: slug) == 300)
        }
    }

    @Test("one that fails is told, keeps no other from its own, and loses nothing")
    func failing() async throws {
        try await TestPlane.with { test in
            let slugs = [try TestPlane.slug(), try TestPlane.slug()].sorted()
            for slug in slugs {
                try await test.provision(slug)
                try await test.keep(days: 30, slug)
                try await test.fillMonths(of: slug)
            }
            test.goTo(day: 62)
            // Somebody reads for long: it gives way.
            try await test.foundations.brands.transaction { reading in
                try await reading.run(
                    "select from \(identifier: slugs[0].schemaName).customer_raw_event limit 1")
                let job = try await test.retain()
                #expect(job.error?.hasPrefix("1 of 2 brands failed") == true, "\(job)")
            }
            #expect(try await test.rows(of: slugs[0]) == 300)
            #expect(try await test.rows(of: slugs[1]) == 202)
            #expect(try await test.retain().counts == ["brands": 2, "months": 1, "rows": 98, "failed": 0])
            #expect(try await test.rows(of: slugs[0]) == 202)
        }
    }

    @Test("a brand may keep events for less than its plan says, and not for more")
    func leastOfBoth() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug, plan: "pro")
            let store = InstanceStore(pool: test.foundations.control, clock: test.clock)
            #expect(try await store.instance(slug).keepsEventsFor == nil)
            try await test.foundations.control.run(
                """
                update plan set limits = limits || '{"retentionDays": 90}' where name = 'pro'
                """)
            for (days, kept) in [(60, 60), (0, 90)] {
                try await test.keep(days: days, slug)
                #expect(try await store.instance(slug).keepsEventsFor == .days(kept))
            }
            let path = "/api/admin/brands/\(slug)"
            for days in [-1, 1, 29, 91, 36_501] {
                var change = BrandChange()
                change.retentionDays = days
                let refused = try await test.call(.patch, path, change)
                #expect(refused.status == 400)
                #expect(try refused.problem.field == "retentionDays")
            }
        }
    }
}

extension TestPlane {
    fileprivate func retain() async throws -> JobView {
        try await call(.post, "/api/admin/jobs/retention/run").decode(JobView.self)
    }

    /// Moves the clock to so many days after this month began.
    fileprivate func goTo(day: Int) {
        let today = Int(SystemWallClock().now().description.prefix(10).suffix(2)) ?? 1
        clock.advance(by: .seconds((day + 1 - today) * 86_400))
    }

    fileprivate func keep(days: Int, _ slug: Slug) async throws {
        var change = BrandChange()
        change.retentionDays = days
        try await perform([.init(.patch, "") { [change] _ in change }], slug)
    }

    /// A hundred events, all alike, in this month and in each of the two after it.
    fileprivate func fillMonths(of slug: Slug) async throws {
        try await foundations.brands.run(
            """
            insert into \(identifier: slug.schemaName).customer_raw_event
                (id, created_at, event_type, occurred_at, channel, source, event_key, payload)
            select gen_random_uuid(),
                   date_trunc('month', now(), 'UTC') + make_interval(months => month, secs => n), 'page_view',
                   now() + make_interval(secs => n), 'web', 'api', month || '-' || n,
                   '{"identifiers": {"email": "a@b.com"}, "properties": {"page": "/"}}'
            from generate_series(0, 2) as month, generate_series(1, 100) as n
            """)
    }

    fileprivate func rows(of slug: Slug) async throws -> Int64 {
        try await foundations.brands.run(
            "select count(*) from \(identifier: slug.schemaName).customer_raw_event")[0].decode(Int64.self)
    }
}
