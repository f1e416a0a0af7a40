import Commerce
import Contract
import Customers
import Kernel
import Testing

@testable import Events

@Suite("Orders")
struct OrderTests {
    private func purchase(
        _ key: String, _ properties: String, by email: String? = "a@b.com",
        at instant: String = "2026-01-31T10:00:00Z"
    ) throws -> Event {
        try .sample(
            key, .purchase, email.map { [.email: $0] } ?? [:], properties: properties, occurredAt: instant)
    }

    @Test("the newest version of an order counts, whatever the order of arrival, batched or not")
    func versions() async throws {
        let versions = [
            (#"{"orderId":"o","version":1,"total":"10.00"}"#, "2026-01-03T00:00:00Z"),
            (#"{"orderId":"o","version":9,"total":"30.00"}"#, "2026-01-02T00:00:00Z"),
            (#"{"orderId":"o","version":10,"total":"20.00"}"#, "2026-01-01T00:00:00Z"),
            (#"{"orderId":"o","total":"99.00"}"#, "2026-01-04T00:00:00Z"),
        ]
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
            for isBatched in [true, false] {
                try await TestBrand.with { brand in
                    let events = try order.map { try purchase("k\($0)", versions[$0].0, at: versions[$0].1) }
                    if isBatched {
                        try await brand.write(events)
                    } else {
                        for event in events { try await brand.write([event]) }
                    }
                    let totals = try await brand.totals
                    #expect(totals.orders == 1)
                    #expect(totals.revenue["USD"] == "20.00", "\(order), batched: \(isBatched)")
                    let profile = try #require(try await brand.profile(.email, "a@b.com"))
                    #expect(profile.lifetimeValue == "20.00" && profile.totalOrders == 1)
                }
            }
        }
    }

    @Test("an order is placed where its newest version with a place is placed")
    func placement() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                purchase("1", #"{"orderId":"o","version":1,"total":"10"}"#),
                purchase("2", #"{"orderId":"o","version":2,"total":"15"}"#, by: nil),
            ])
            #expect(try await brand.profile(.email, "a@b.com")?.lifetimeValue == "15.00")
            try await brand.write([purchase("3", #"{"orderId":"o","version":3,"total":"15"}"#, by: "c@d.com")]
            )
            #expect(try await brand.profile(.email, "a@b.com")?.totalOrders == 0)
            #expect(try await brand.profile(.email, "a@b.com")?.lifetimeValue == "0.00")
            #expect(try await brand.profile(.email, "c@d.com")?.lifetimeValue == "15.00")
            #expect(try await brand.totals.revenue["USD"] == "15.00")
        }
    }

    @Test("sums may be larger than any one amount")
    func largeSums() async throws {
        try await TestBrand.with { brand in
            let large = #"{"total":"99999999999999.9999"}"#
            try await brand.write([purchase("1", large), purchase("2", large, by: nil), purchase("3", large)])
            try await brand.write([purchase("4", large)])
            #expect(try await brand.totals.revenue["USD"] == "399999999999999.9996")
            #expect(try await brand.profile(.email, "a@b.com")?.lifetimeValue == "299999999999999.9997")
            #expect(try await brand.stream.deadLetters() == 0)
        }
    }

    @Test("versions from files, which are texts, compare as numbers where they are")
    func versionsAsTexts() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                purchase("1", #"{"orderId":"o","version":"10","total":"20"}"#),
                purchase("2", #"{"orderId":"o","version":"9","total":"10"}"#),
            ])
            #expect(try await brand.totals.revenue["USD"] == "20.00")
        }
    }

    @Test("a guest's order counts for the brand and makes no profile")
    func guest() async throws {
        try await TestBrand.with { brand in
            try await brand.write([purchase("1", #"{"total":"7.50"}"#, by: nil)])
            let totals = try await brand.totals
            #expect(totals.orders == 1 && totals.profiles == 0)
            #expect(totals.revenue["USD"] == "7.50")
        }
    }

    @Test("an order without an id is not the order whose id is its event's key")
    func keyedByEvent() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                purchase("77", #"{"total":"1"}"#), purchase("x", #"{"orderId":"77","total":"2"}"#),
            ])
            #expect(try await brand.totals.orders == 2)
        }
    }

    @Test("other currencies are kept apart from the brand's revenue and the lifetime value")
    func currencies() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                purchase("1", #"{"total":"10"}"#), purchase("2", #"{"total":"20","currency":"EUR"}"#),
            ])
            let totals = try await brand.totals
            #expect(totals.orders == 2)
            #expect(totals.revenue == ["USD": "10.00", "EUR": "20.00"])
            let profile = try #require(try await brand.profile(.email, "a@b.com"))
            #expect(profile.lifetimeValue == "10.00" && profile.totalOrders == 2)
        }
    }

    @Test("an order that changes its currency leaves the first currency's sum")
    func changedCurrency() async throws {
        try await TestBrand.with { brand in
            try await brand.write([purchase("1", #"{"orderId":"o","version":1,"total":"10"}"#)])
            try await brand.write([
                purchase("2", #"{"orderId":"o","version":2,"total":"9","currency":"EUR"}"#)
            ])
            #expect(try await brand.totals.revenue == ["USD": "0.00", "EUR": "9.00"])
            #expect(try await brand.totals.orders == 1)
        }
    }
}
