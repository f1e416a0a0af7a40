import Contract
import Foundation
import HTTPTypes
import Kernel
import Postgres
import TestSupport
import Testing

@testable import ControlPlane
@testable import Events
@testable import TestHistories

@Suite("Brands' daily figures")
struct BrandMetricsTests {
    @Test(
        "of random histories each figure of each day is a plain count over raw events, however late they are")
    func histories() async throws {
        try await TestPlane.with { test in
            let zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Apia"]
            var compared = 0
            for seed in 0..<10 as Range<UInt64> {
                let shop = try await MeasuredShop(test, timeZone: zones[Int(seed) % zones.count])
                let sent = RandomHistory(seed: seed, sends: 80).sent
                var random = SeededGenerator(seed: seed)
                let order = seed % 2 == 0 ? sent : sent.shuffled(using: &random)
                for start in stride(from: 0, to: order.count, by: 27) {
                    let part = order[start..<min(start + 27, order.count)]
                    let now = SystemWallClock().now()
                    try await shop.commit(part.map { $0.event(receivedAt: now) })
                    let job = try await test.nextDay()
                    #expect(job.error == nil, "seed \(seed)")
                    compared += try await compare(shop, "seed \(seed) after \(start)")
                }
                let days = try await shop.days()
                #expect(try await shop.recompute().changed == 0, "seed \(seed)")
                #expect(try await shop.days() == days, "seed \(seed)")
            }
            #expect(compared > 500)
            print("metrics: \(compared) days were compared")
        }
    }

    /// Holds every row of a shop against plain counts, and their sum against the shop's totals.
    private func compare(_ shop: MeasuredShop, _ place: String) async throws -> Int {
        let rows = try await shop.days()
        for row in rows {
            #expect(try await PlainCount(of: row.date, shop) == PlainCount(row), "\(place), \(row.date)")
        }
        let revenue = rows.reduce(0) { $0 + Double($1.revenue)! }
        let total = try await shop.run(
            "select coalesce(sum(revenue), 0)::float8 from order_totals where currency = 'USD'")[0]
            .decode(Double.self)
        #expect(abs(revenue - total) < 0.001, "\(place)")
        let active = rows.reduce(0) { $0 + $1.orderCount + $1.activeCustomers }
        #expect(active > 0, "\(place)")
        return rows.count
    }

    @Test("an event and the versions of an order that come late are found in their days, and say when")
    func late() async throws {
        try await TestPlane.with { test in
            let shop = try await MeasuredShop(test)
            try await shop.sell("10.00", to: "a@x.com", at: "2026-03-01T10:00:00Z", order: "1")
            try await shop.sell("5.50", to: "b@x.com", at: "2026-03-02T10:00:00Z")
            try await shop.sell("7.00", to: nil, at: "2026-03-02T11:00:00Z", currency: "EUR")
            try await shop.sell("99.00", to: "t@x.com", at: "2026-03-02T12:00:00Z", isTest: true)
            try await test.nextDay()
            let before = try #require(try await shop.day("2026-03-02"))
            #expect(before.revenue == "5.50" && before.orderCount == 2 && before.avgOrderValue == "5.50")
            #expect(before.otherCurrencies == ["EUR": "7.00"] && before.customerCount == 2)
            #expect(before.revenueGrowth == -0.45 && before.newCustomers == 1)
            #expect(before.mrr == nil && before.churnRate == nil && before.apiCalls == nil)

            // Committed long after it was received: what the last run has read was received later.
            let early = SystemWallClock().now() - .seconds(3 * 86_400)
            try await shop.sell("1.00", to: "c@x.com", at: "2026-02-27T10:00:00Z", receivedAt: early)
            try await test.nextDay()
            #expect(try await shop.day("2026-02-27")?.customerCount == 1)
            #expect(try await shop.day("2026-03-02")?.customerCount == 3)

            // A newer version counts on the day of the order, and an earlier one takes it to an earlier day.
            try await shop.sell("12.00", to: "a@x.com", at: "2026-03-03T10:00:00Z", order: "1", version: 2)
            try await test.nextDay()
            #expect(try await shop.day("2026-03-01")?.revenue == "12.00")
            #expect(try await shop.day("2026-03-03")?.revenue == "0.00")
            try await shop.sell("9.00", to: "a@x.com", at: "2026-02-28T10:00:00Z", order: "1", version: 0)
            try await test.nextDay()
            #expect(try await shop.day("2026-03-01")?.revenue == "0.00")
            #expect(try await shop.day("2026-02-28")?.revenue == "12.00")
            // So do refunds, on whatever day.
            try await shop.adjust(.refund, #"{"orderId": "1", "amount": "2.00"}"#, at: "2026-03-05T10:00:00Z")
            try await test.nextDay()
            #expect(try await shop.day("2026-02-28")?.revenue == "10.00")
            try await shop.adjust(.cancellation, #"{"orderId": "1"}"#, at: "2026-03-05T11:00:00Z")
            try await test.nextDay()
            let cancelled = try #require(try await shop.day("2026-02-28"))
            #expect(cancelled.revenue == "0.00" && cancelled.orderCount == 0)
            let after = try #require(try await shop.day("2026-03-02"))
            #expect(after.computedAt > before.computedAt && after.revenueGrowth == nil)
            #expect(after.id == before.id)
        }
    }

    @Test("days are the brand's own, of 23 and of 25 hours too, and others when it moves to another zone")
    func zones() async throws {
        try await TestPlane.with { test in
            let shop = try await MeasuredShop(test, timeZone: "Europe/Berlin")
            // From 23:00 on the 28th to 22:00 on the 29th, and from 22:00 on the 24th to 23:00 on the 25th.
            for instant in ["2026-03-28T22:59:59Z", "2026-03-29T21:59:59Z", "2026-03-29T22:00:00Z"] {
                try await shop.sell("1.00", to: nil, at: instant)
            }
            for instant in ["2026-10-24T22:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T22:59:59Z"] {
                try await shop.sell("1.00", to: nil, at: instant)
            }
            try await shop.sell("1.00", to: nil, at: "2026-10-25T23:00:00Z")
            try await test.nextDay()
            let counts = try await orders(of: shop)
            #expect(
                counts.filter { $0.value > 0 } == [
                    "2026-03-28": 1, "2026-03-29": 1, "2026-03-30": 1, "2026-10-25": 3, "2026-10-26": 1,
                ])
            for row in try await shop.days() {
                #expect(try await PlainCount(of: row.date, shop) == PlainCount(row), "\(row.date)")
            }
            let change = BrandChange(timeZone: "UTC")
            let asked = try await test.call(.patch, "/api/admin/brands/\(shop.slug)", change)
            try await test.settle(asked.decode(OperationView.self).id)
            try await test.nextDay()
            let moved = try await orders(of: shop)
            #expect(
                moved.filter { $0.value > 0 } == [
                    "2026-03-28": 1, "2026-03-29": 2, "2026-10-24": 1, "2026-10-25": 3,
                ])
        }
    }

    private func orders(of shop: MeasuredShop) async throws -> [String: Int64] {
        Dictionary(uniqueKeysWithValues: try await shop.days().map { ($0.date.description, $0.orderCount) })
    }

    @Test("a brand without events has a row of noughts for each of its days, once the day is over")
    func empty() async throws {
        try await TestPlane.with { test in
            let shop = try await MeasuredShop(test)
            #expect(try await shop.recompute().from == nil)
            for _ in 0..<3 { try await test.nextDay() }
            let days = try await shop.days()
            #expect(days.count == 3)
            #expect(
                days.allSatisfy { $0.revenue == "0.00" && $0.customerCount == 0 && $0.avgOrderValue == nil })
            #expect(days.map(\.date) == days.map(\.date).sorted(by: >))
            let again = try await test.call(.post, "/api/admin/jobs/metrics/run").decode(JobView.self)
            #expect(again.counts["brands"] == 0)
            let history = try await test.foundations.control.run(
                """
                select count(*) from brand_metrics_history h join brand_metrics m using (id, date)
                where h.revenue = m.revenue and h.computed_at = m.computed_at
                """)
            #expect(try history[0].decode(Int64.self) == 3)
        }
    }

    @Test("a brand that cannot be read fails alone; a deleted one keeps its rows until it is purged")
    func failures() async throws {
        try await TestPlane.with { test in
            let shops = [try await MeasuredShop(test), try await MeasuredShop(test)]
            for shop in shops { try await shop.sell("3.00", to: "a@x.com", at: "2026-03-01T10:00:00Z") }
            try await shops[0].run("alter table customer_order rename to gone")
            let job = try await test.nextDay()
            #expect(job.error?.contains("1 of 2 brands that are due: \(shops[0].slug)") == true, "\(job)")
            #expect(try await shops[1].days().count == 2)
            try await shops[0].run("alter table gone rename to customer_order")
            #expect(try await test.nextDay().error == nil)
            #expect(try await shops[0].days().count == 3)

            let slug = shops[1].slug
            let deleted = try await test.call(.delete, "/api/admin/brands/\(slug)")
            try await test.settle(deleted.decode(OperationView.self).id)
            try await test.nextDay()
            #expect(try await shops[1].days().count == 3)
            await #expect(throws: Problem.self) { try await shops[1].recompute() }
            let purged = try await test.call(
                .post, "/api/admin/brands/\(slug)/purge", BrandPurge(confirm: slug.text))
            try await test.settle(purged.decode(OperationView.self).id)
            let left = try await test.foundations.control.run("select count(*) from brand_metrics_run")
            #expect(try left[0].decode(Int64.self) == 1)
            #expect(try await test.call(.get, "/api/admin/metrics?brand=\(slug)").status == 404)
        }
    }

    @Test("each role reads what is its own; spans and pages are what was asked for")
    func routes() async throws {
        try await TestPlane.with { test in
            let (shop, other) = (try await MeasuredShop(test), try await MeasuredShop(test))
            for day in 1...5 {
                try await shop.sell("\(day).00", to: nil, at: "2026-03-0\(day)T10:00:00Z")
            }
            try await test.nextDay()
            let owner = try await test.login(.brandOwner, brand: shop.slug.text).accessToken
            let own = "/api/admin/brands/\(shop.slug)/metrics"
            #expect(try await test.call(.get, own, token: owner).status == 200)
            for path in [
                "/api/admin/metrics", "/api/admin/brands/\(other.slug)/metrics", "/api/admin/market",
            ] {
                #expect(try await test.call(.get, path, token: owner).status == 403, "\(path)")
            }
            #expect(try await test.call(.post, own + "/recompute", token: owner).status == 403)
            let span = try await test.call(
                .get, "/api/admin/metrics?brand=\(shop.slug)&from=2026-03-02&to=2026-03-04&limit=2"
            ).decode(Page<BrandMetricsView>.self)
            #expect(span.items.map(\.revenue) == ["4.00", "3.00"] && span.nextCursor != nil)
            for query in ["from=x", "to=2026-02-30", "from=2026-03-02&to=2026-03-01", "cursor=eA", "limit=0"]
            {
                #expect(try await test.call(.get, "\(own)?\(query)").status == 400, "\(query)")
            }
            let document = try OpenAPIDocument(of: "ControlPlane")
            for path in ["/api/admin/metrics", own] {
                let body = try await test.call(.get, path).body
                let operation = "GET " + path.replacing(shop.slug.text, with: "{slug}")
                let faults = try document.faults(
                    in: body, of: operation, status: 200, type: "application/json")
                #expect(faults == [])
            }
            let plan = try await test.call(.post, own + "/recompute?plan=true")
            #expect(try plan.decode(OperationPlan.self).kind == "metrics.recompute")
            try await shop.run("update customer_order set total = 9 where total = 4")
            #expect(try await shop.recompute(from: "2026-03-06").changed == 0)
            #expect(try await shop.recompute(from: "2026-03-03").changed == 2)
        }
    }

    @Test("the catalogue has a figure for each column of the brief, and a sentence for each figure")
    func catalogue() async throws {
        try await TestPlane.with { test in
            let columns = try await test.foundations.control.run(
                """
                select attname::text from pg_attribute
                where attrelid = 'brand_metrics'::regclass and attnum > 0
                """
            ).map { try $0.decode(String.self) }
            let others = [
                "id", "brand_id", "date", "currency", "priced_orders", "other_currencies", "computed_at",
            ]
            #expect(Set(columns).subtracting(others) == Set(BrandMetric.allCases.map(\.column)))
            #expect(BrandMetric.allCases.allSatisfy { $0.definition.hasSuffix(".") })
            let document = try OpenAPIDocument(of: "ControlPlane")
            let fields = try document.names(at: "components/schemas/BrandMetrics/properties")
            #expect(Set(BrandMetric.allCases.map(\.rawValue)).isSubset(of: fields))
            let told = BrandMetric.allCases.filter { $0.monthly != nil }.map(\.rawValue)
            #expect(
                try Set(
                    document.texts(
                        at: "components/schemas/Market/properties/figures/items/properties/name/enum"))
                    == Set(told))
        }
    }
}
