import Kernel
import Testing

@testable import Events

@Suite("Versions of an order")
struct OrderVersionTests {
    /// One version, at a minute of one hour.
    struct Version: Sendable {
        let key: String
        var said = ""
        var minute = 10

        func event(of order: String, total: String) throws -> Event {
            try .sample(
                "\(key)-\(order)", .purchase, [.email: "a@b.com"],
                properties: #"{"orderId":"\#(order)","total":"\#(total)"\#(said)}"#,
                occurredAt: "2026-01-31T10:\(minute):00Z")
        }
    }

    @Test(
        "a missing one is oldest, numbers come before texts, and then the order of events counts",
        arguments: [
            (Version(key: "b", minute: 20), Version(key: "a", said: #","version":-1"#)),
            (Version(key: "b", minute: 20), Version(key: "a", said: #","version":"A""#)),
            (
                Version(key: "b", said: #","version":99"#, minute: 20),
                Version(key: "a", said: #","version":"A""#)
            ),
            (
                Version(key: "b", said: #","version":"Z""#, minute: 20),
                Version(key: "a", said: #","version":"a""#)
            ),
            (Version(key: "b"), Version(key: "a", minute: 20)), (Version(key: "a"), Version(key: "b")),
            (
                Version(key: "b", said: #","version":1"#),
                Version(key: "a", said: #","version":1"#, minute: 20)
            ),
        ])
    func newer(older: Version, newer: Version) async throws {
        try await TestBrand.with { brand in
            let arrivals = [[[older, newer]], [[newer, older]], [[older], [newer]], [[newer], [older]]]
            for (index, batches) in arrivals.enumerated() {
                for batch in batches {
                    let events = try batch.map {
                        try $0.event(of: "o\(index)", total: $0.key == newer.key ? "2" : "1")
                    }
                    try await brand.write(events)
                }
            }
            #expect(try await brand.totals.revenue["USD"] == "8.00")
        }
    }

    @Test("one id of two sources is two orders")
    func sources() async throws {
        try await TestBrand.with { brand in
            var other = try Version(key: "k").event(of: "o", total: "2")
            other.source = "shop"
            try await brand.write([Version(key: "k").event(of: "o", total: "1"), other])
            #expect(try await brand.totals.orders == 2)
            #expect(try await brand.totals.revenue["USD"] == "3.00")
        }
    }
}
