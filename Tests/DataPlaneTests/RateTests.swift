import Commerce
import Contract
import Foundation
import Kernel
import TestSupport
import Testing

@testable import DataPlane
@testable import Events

@Suite("Rates")
struct RateTests {
    private func order(_ id: String, _ total: String, _ currency: String, on day: String) throws -> Event {
        try .sample(
            id, .purchase, [.email: "a@b.com"],
            properties: #"{"orderId":"\#(id)","total":"\#(total)","currency":"\#(currency)"}"#,
            occurredAt: "\(day)T23:30:00Z")
    }

    private func rate(_ currency: String, _ day: String, _ rate: String) throws -> CurrencyRate {
        CurrencyRate(currency: try #require(Currency(currency)), day: try #require(Day(day)), rate: rate)
    }

    @Test("a missing rate is visible, and nothing counts at 1")
    func missing() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                order("1", "10", "USD", on: "2026-01-30"), order("2", "20", "EUR", on: "2026-01-30"),
                order("3", "5", "EUR", on: "2026-02-20"), order("4", "7", "GBP", on: "2026-01-30"),
            ])
            #expect(try await brand.totals.converted == "10.00")
            #expect(try await brand.totals.withoutRate == ["EUR": 2, "GBP": 1])
            let change = try await brand.rates.set([rate("EUR", "2026-01-30", "1.0842")])
            #expect(change.changed == 1 && change.orders == 1)
            #expect(try await brand.totals.converted == "31.684")
            #expect(try await brand.totals.withoutRate == ["EUR": 1, "GBP": 1])
            #expect(try await brand.profile(.email, "a@b.com")?.lifetimeValue == "31.684")
            #expect(try await brand.profile(.email, "a@b.com")?.totalOrders == 4)
            #expect(try await brand.totals.revenue == ["USD": "10.00", "EUR": "25.00", "GBP": "7.00"])
            #expect(try await brand.refold().differences.isEmpty)
            let again = try await brand.rates.set([rate("EUR", "2026-01-30", "1.08420")])
            #expect(again.changed == 0 && again.orders == 0)
        }
    }

    @Test("a rate holds until there is a newer one, for six more days, by the day in UTC")
    func reach() async throws {
        try await TestBrand.with { brand in
            let days = ["29", "30", "31"].map { "2026-01-\($0)" } + (1...6).map { "2026-02-0\($0)" }
            for day in days { try await brand.write([order(day, "1", "EUR", on: day)]) }
            _ = try await brand.rates.set([rate("EUR", "2026-01-30", "2"), rate("EUR", "2026-02-02", "3")])
            func counted() async throws -> [String] {
                try await brand.database.run(
                    "select coalesce(trim_scale(rate)::text, '-') from customer_order order by order_id"
                ).decode(String.self)
            }
            #expect(try await counted() == ["-", "2", "2", "2", "3", "3", "3", "3", "3"])
            let euro = try #require(Currency("EUR"))
            let day = try #require(Day("2026-02-02"))
            let change = try await brand.rates.withdraw(euro, on: day)
            #expect(change.orders == 5)
            #expect(try await counted() == ["-", "2", "2", "2", "2", "2", "2", "2", "-"])
            #expect(try await brand.refold().differences.isEmpty)
            let fault = await #expect(throws: Fault.self) { try await brand.rates.withdraw(euro, on: day) }
            #expect(fault?.code == .notFound)
        }
    }

    @Test("what is refunded whole leaves nothing, whatever the rate")
    func refundedWhole() async throws {
        try await TestBrand.with { brand in
            _ = try await brand.rates.set([rate("INR", "2026-01-30", "0.0119047619")])
            try await brand.write([
                order("1", "999.99", "INR", on: "2026-01-30"),
                .sample(
                    "r", .refund, [:], properties: #"{"orderId":"1","amount":"999.99"}"#,
                    occurredAt: "2026-02-15T00:00:00Z"),
            ])
            #expect(try await brand.totals.converted == "0.00")
            #expect(try await brand.profile(.email, "a@b.com")?.lifetimeValue == "0.00")
        }
    }

    @Test("a wrong rate is named, and none is set")
    func wrong() async throws {
        try await TestBrand.with { brand in
            let good = try rate("EUR", "2026-01-30", "1.1")
            for (bad, field) in [
                (try rate("USD", "2026-01-30", "1"), "rates[1].currency"),
                (try rate("GBP", "2026-01-30", "0"), "rates[1].rate"),
                (try rate("GBP", "2026-01-30", "0.000"), "rates[1].rate"),
                (try rate("GBP", "2026-01-30", "-1"), "rates[1].rate"),
                (try rate("GBP", "2026-01-30", "1e3"), "rates[1].rate"),
                (try rate("GBP", "2026-01-30", "1,1"), "rates[1].rate"),
                (try rate("GBP", "2026-01-30", "."), "rates[1].rate"),
                (try rate("GBP", "2026-01-30", "10000000.1"), "rates[1].rate"),
                (try rate("GBP", "2026-01-30", "0.00000000001"), "rates[1].rate"),
                (try rate("EUR", "2026-01-30", "1.2"), "rates[1].day"),
            ] {
                let fault = await #expect(throws: Fault.self) { try await brand.rates.set([good, bad]) }
                #expect(fault?.field == field && fault?.code == .invalid)
            }
            #expect(try await brand.rates.list(nil, behind: nil, limit: 10).rates.isEmpty)
            _ = try await brand.rates.set([try rate("KWD", "9999-12-31", "10000000")])
        }
    }

    @Test("rates and orders by HTTP, with a file, page by page, with a key that may")
    func routes() async throws {
        try await TestInstance.serving { instance in
            let purchase = """
                {"type": "purchase", "occurredAt": "2026-01-31T10:00:00Z",
                 "identifiers": {"email": "a@b.com"},
                 "properties": {"orderId": "7", "total": "10", "currency": "EUR"}}
                """
            let refund = #"{"type":"refund","properties":{"orderId":"7","amount":"2.5","refundId":"r"}}"#
            for (event, status) in [(purchase, 200), (refund, 204)] {
                let answer = try await instance.post("/api/events", event, headers: ["Prefer": "wait"])
                #expect(answer.status == status, "\(answer.text)")
            }
            let csv = ["Content-Type": "text/csv"]
            let file = "currency;day;rate\nEUR;2026-01-30;1.5\nEUR;2026-01-31;2\n"
            let set = try await instance.call("PUT", "/api/rates", Array(file.utf8), headers: csv)
            #expect(set.status == 200)
            #expect(try set.json(RatesChange.self).orders == 1)
            let stats = try await instance.get("/api/monitoring/stats", as: StatsView.self)
            #expect(stats.revenue == "15.00" && stats.ordersWithoutRate.isEmpty)
            let first = try await instance.get("/api/rates?limit=1", as: Page<CurrencyRate>.self)
            #expect(first.items.map(\.rate) == ["2"])
            let next = try #require(first.nextCursor)
            let second = try await instance.get(
                "/api/rates?limit=1&cursor=\(next)", as: Page<CurrencyRate>.self)
            #expect(second.items.map(\.rate) == ["1.5"] && second.nextCursor == nil)
            let removed = try await instance.call("DELETE", "/api/rates/eur/2026-01-31")
            #expect(try removed.json(RatesChange.self).orders == 1)
            #expect(try await instance.get("/api/monitoring/stats", as: StatsView.self).revenue == "11.25")
            for (body, field) in [
                ("currency,day\nEUR,2026-01-31\n", "rate"), ("", nil),
                ("currency,day,rate\nEURO,2026-01-31,1\n", "row 2, currency"),
                ("currency,day,rate\nEUR,31.01.2026,1\n", "row 2, day"),
                ("currency,day,rate\nEUR,2026-01-31\n", "row 2"),
                ("currency,day,rate\nEUR,2026-01-31,x\n", "rates[0].rate"),
            ] {
                let answer = try await instance.call("PUT", "/api/rates", Array(body.utf8), headers: csv)
                answer.expectProblem(400, .invalid, field)
            }
            try await instance.call("DELETE", "/api/rates/EUR/2026-03-01").expectProblem(404, .notFound)
            try await orders(instance)
        }
    }

    /// The order as its list and its page show it.
    private func orders(_ instance: TestInstance) async throws {
        struct Shown: Codable, Sendable {
            struct Adjustment: Codable, Sendable {
                var type: String
                var amount: String?
                var counted: Bool
            }
            var id: String
            var value: String
            var refunded: String
            var brandValue: String?
            var adjustments: [Adjustment]?
        }
        let found = try await instance.get("/api/orders?orderId=7", as: Page<Shown>.self).items
        #expect(found.map(\.value) == ["7.50"] && found.map(\.brandValue) == ["11.25"])
        let id = try #require(found.first).id
        let order: Shown = try await instance.get("/api/orders/\(id)")
        #expect(order.refunded == "2.50" && order.adjustments?.map(\.amount) == ["2.50"])
        #expect(order.adjustments?.map(\.counted) == [true])
        #expect(try await instance.get("/api/orders?withoutRate=true", as: Page<Shown>.self).items.isEmpty)
        let unknown = UUIDv7(at: SystemWallClock().now())
        #expect(try await instance.get("/api/orders?profile=\(unknown)", as: Page<Shown>.self).items.isEmpty)
        for (query, field) in [("profile=x", "profile"), ("withoutRate=2", "withoutRate")] {
            try await instance.call("GET", "/api/orders?\(query)").expectProblem(400, .invalid, field)
        }
        try await instance.call("GET", "/api/orders/\(unknown)").expectProblem(404, .notFound)
    }
}
