import Contract
import Foundation
import Kernel
import Postgres
import TestSupport
import Testing

@testable import DataPlane
@testable import Events

/// What folding old months costs and saves, on a brand of 200,000 events in four months.
@Suite("Figures of retention")
struct RetentionFigures {
    /// In `infra/test.sh --soak`.
    static let isWanted = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_SOAK"] != nil
    private static let events = 200_000
    private static let people = 20_000

    @Test(
        "three of four months are folded, and a re-fold finds no difference before and after",
        .enabled(if: isWanted))
    func figures() async throws {
        try await TestBrand.with { brand in
            let start = Timestamp(year: 2026, month: 3, day: 1)!
            try await brand.makePartitions(from: start)
            var random = SeededGenerator(seed: 1)
            for first in stride(from: 0, to: Self.events, by: 1000) {
                let events = (first..<first + 1000).map { Self.event($0, since: start, using: &random) }
                try await brand.write(events)
            }
            try await brand.database.withConnection { try await $0.runScript("vacuum analyze") }
            print("figures: before \(try await Self.sizes(brand))")
            let before = try await Self.refold(brand)
            let cutoff = start + .seconds(92 * 86_400)
            for (starts, ends) in try await brand.monthsToFold(receivedBefore: cutoff) {
                var made: TestBrand.MadeMonth?
                let making = try await Self.timed { made = try await brand.make(starts, ends) }
                let month = try #require(made)
                var isAdopted = false
                let adopting = try await Self.timed { isAdopted = try await brand.adopt(month) }
                #expect(isAdopted)
                print("figures: a month of \(month.counted) made in \(making), in its place in \(adopting)")
            }
            let sweeping = try await Self.timed { try await brand.sweep() }
            try await brand.database.withConnection {
                try await $0.runScript("vacuum full analyze identifier_event")
            }
            let after = try await Self.refold(brand)
            print("figures: after \(try await Self.sizes(brand))")
            print("figures: swept in \(sweeping); a re-fold took \(before) before and \(after) after")
        }
    }

    /// Of ten: six of a browser that may be known by a sign-in, one sign-in, two of a person without any
    /// device, and a purchase.
    private static func event(
        _ number: Int, since start: Timestamp, using random: inout SeededGenerator
    ) -> Event {
        let received = start + .milliseconds(Int64(number) * 122 * 86_400_000 / Int64(events))
        let person = Int.random(in: 0..<people, using: &random)
        let (email, cookie) = ("person\(person)@example.com", "cookie-\(person)-\(number % 3)")
        let phone = "+1202555\(1000 + person % 9000)"
        var type = EventType.pageView
        var identifiers: [SentIdentifier] = [.init(kind: .cookieID, value: cookie)]
        var properties =
            #"{"url": "https://shop.example.com/products/\#(number % 997)?utm_source=letter", "#
            + #""title": "A product that somebody looks at", "referrer": "https://www.example.org/search", "#
            + #""agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "screen": "1920x1080"}"#
        switch number % 10 {
        case 0: identifiers.append(.init(kind: .email, value: email))
        case 1, 2:
            type = .whatsappMessage
            identifiers = [.init(kind: .loyaltyID, value: "L-\(person)")]
            if person < 5000 { identifiers.append(.init(kind: .phone, value: phone)) }
        case 3:
            type = .purchase
            identifiers = [.init(kind: .email, value: email)]
            properties = #"{"orderId": "o\#(number)", "total": "29.33", "note": "leave it at the door", "#
                + #""items": [{"productId": "p\#(number % 997)", "quantity": 2, "price": "14.665"}]}"#
        default: break
        }
        return Event(
            source: "api", key: "figures-\(number)", type: type, occurredAt: received, receivedAt: received,
            channel: "web", identifiers: identifiers, properties: Array(properties.utf8), isTest: false)
    }

    private static func refold(_ brand: TestBrand) async throws -> Duration {
        try await timed {
            let report = try await brand.refold()
            #expect(report.differences == [])
            #expect(report.events == Int64(events))
        }
    }

    private static func timed(_ work: () async throws -> Void) async throws -> Duration {
        let clock = ContinuousClock()
        let start = clock.now
        try await work()
        return clock.now - start
    }

    private static func sizes(_ brand: TestBrand) async throws -> String {
        let rows = try await brand.database.run(
            """
            select string_agg(name || ' ' || pg_size_pretty(bytes), ', ' order by name) || ' with '
                || (select count(*) from customer_raw_event) || ' rows of events'
            from (
                select relid::regclass::text as name, pg_total_relation_size(relid) as bytes
                from pg_partition_tree('customer_raw_event') where isleaf
                union all
                select 'identifier_event', pg_total_relation_size('identifier_event')
            ) as sizes
            where bytes > 100000
            """)
        return try rows[0].decode(String.self)
    }
}
