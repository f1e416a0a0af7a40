import Commerce
import Contract
import Customers
import Foundation
import Kernel
import Postgres
import TestSupport
import Testing

@testable import DataPlane
@testable import Events

@Suite("What orders are worth")
struct OrderValueTests {
    private static func event(
        _ key: String, _ type: EventType, _ properties: String, by email: String? = "a@b.com",
        at instant: String = "2026-01-31T10:00:00Z"
    ) throws -> Event {
        try .sample(
            key, type, email.map { [.email: $0] } ?? [:], properties: properties, occurredAt: instant)
    }

    /// Events about one order, and what it is worth after them, in its currency; nil when it is cancelled.
    struct Case: Sendable {
        let says: String
        let events: [(type: EventType, properties: String)]
        let value: String?
    }

    static let cases = [
        Case(
            says: "two partial refunds", events: [
                (.purchase, #"{"orderId":"o","total":"100.00"}"#),
                (.refund, #"{"orderId":"o","amount":"30.10","refundId":"r1"}"#),
                (.refund, #"{"orderId":"o","amount":"9.95"}"#),
            ], value: "59.95"),
        Case(
            says: "a refund that was corrected counts once", events: [
                (.purchase, #"{"orderId":"o","total":"100"}"#),
                (.refund, #"{"orderId":"o","amount":"50","refundId":"r1","version":1}"#),
                (.refund, #"{"orderId":"o","amount":"40","refundId":"r1","version":2}"#),
            ], value: "60.00"),
        Case(
            says: "refunded whole", events: [
                (.purchase, #"{"orderId":"o","total":"100"}"#), (.refund, #"{"orderId":"o","amount":"100"}"#),
            ], value: "0.00"),
        Case(
            says: "more given back than paid", events: [
                (.purchase, #"{"orderId":"o","total":"10"}"#), (.refund, #"{"orderId":"o","amount":"12.5"}"#),
            ], value: "-2.50"),
        Case(
            says: "cancelled, and edited after it", events: [
                (.purchase, #"{"orderId":"o","total":"100","version":1}"#),
                (.cancellation, #"{"orderId":"o","reason":"sold out"}"#),
                (.purchase, #"{"orderId":"o","total":"90","version":2}"#),
            ], value: nil),
        Case(
            says: "a refund in another currency than its order's does not count", events: [
                (.purchase, #"{"orderId":"o","total":"100"}"#),
                (.refund, #"{"orderId":"o","amount":"10","currency":"EUR"}"#),
                (.refund, #"{"orderId":"o","amount":"1","currency":"usd"}"#),
            ], value: "99.00"),
        Case(
            says: "what the newest version says itself counts instead of refund events", events: [
                (.purchase, #"{"orderId":"o","total":"100","version":1}"#),
                (.refund, #"{"orderId":"o","amount":"10"}"#),
                (.purchase, #"{"orderId":"o","total":"100","version":2,"refunded":"25"}"#),
            ], value: "75.00"),
        Case(
            says: "an older version that says so does not", events: [
                (.purchase, #"{"orderId":"o","total":"100","version":1,"refunded":"25"}"#),
                (.refund, #"{"orderId":"o","amount":"10"}"#),
                (.purchase, #"{"orderId":"o","total":"100","version":2}"#),
            ], value: "90.00"),
        Case(
            says: "an order that a newer version takes up again", events: [
                (.purchase, #"{"orderId":"o","total":"100","version":1}"#),
                (.cancellation, #"{"orderId":"o"}"#),
                (.purchase, #"{"orderId":"o","total":"80","version":2,"cancelled":false}"#),
            ], value: "80.00"),
        Case(
            says: "a version that cancels", events: [
                (.purchase, #"{"orderId":"o","total":"100","version":1}"#),
                (.purchase, #"{"orderId":"o","total":"100","version":2,"cancelled":"TRUE"}"#),
            ], value: nil),
        Case(
            says: "refunds of another order", events: [
                (.purchase, #"{"orderId":"o","total":"100"}"#),
                (.refund, #"{"orderId":"p","amount":"100"}"#), (.cancellation, #"{"orderId":"q"}"#),
            ], value: "100.00"),
        Case(
            says: "an edit that changes the currency takes along only refunds of its own", events: [
                (.purchase, #"{"orderId":"o","total":"100","currency":"EUR","version":1}"#),
                (.refund, #"{"orderId":"o","amount":"10","currency":"EUR"}"#),
                (.refund, #"{"orderId":"o","amount":"1"}"#),
                (.purchase, #"{"orderId":"o","total":"110","currency":"USD","version":2}"#),
            ], value: "109.00"),
    ]

    @Test(
        "an order is worth what was paid less what was refunded, in every order of arrival",
        arguments: cases)
    func values(of one: Case) async throws {
        try await TestBrand.with { brand in
            var people: [String] = []
            for order in one.events.indices.permutations {
                for isBatched in [true, false] {
                    // Each order of arrival has orders and a customer of its own.
                    let name = order.map(String.init).joined() + (isBatched ? "b" : "s")
                    let events = try one.events.enumerated().map { index, event in
                        try OrderValueTests.event(
                            "\(name)-\(index)", event.type,
                            event.properties.replacing(#""orderId":""#, with: #""orderId":"\#(name)"#),
                            by: "\(name)@b.com", at: "2026-01-31T10:0\(index):00Z")
                    }
                    for batch in isBatched ? [order] : order.map({ [$0] }) {
                        try await brand.write(batch.map { events[$0] })
                    }
                    people.append(name)
                }
            }
            for name in people {
                let profile = try #require(try await brand.profile(.email, "\(name)@b.com"))
                #expect(profile.lifetimeValue == one.value ?? "0.00", "\(one.says): \(name)")
                #expect(profile.totalOrders == (one.value == nil ? 0 : 1), "\(one.says): \(name)")
            }
            let totals = try await brand.totals
            #expect(totals.orders == (one.value == nil ? 0 : Int64(people.count)))
            let value = try #require(Decimal(string: one.value ?? "0"))
            #expect(Decimal(string: totals.converted) == value * Decimal(people.count))
            #expect(try await brand.refold().differences.isEmpty)
            #expect(try await brand.stream.deadLetters() == 0)
        }
    }

    @Test("an order was placed when its earliest version happened")
    func orderedAt() async throws {
        let versions = [("1", "2026-01-03"), ("2", "2026-01-01"), ("3", "2026-01-02")]
        try await TestBrand.with { brand in
            for order in versions.indices.permutations {
                for index in order {
                    let (version, day) = versions[index]
                    try await brand.write([
                        OrderValueTests.event(
                            "\(order)\(version)", .purchase,
                            #"{"orderId":"\#(order)","total":1,"version":\#(version)}"#,
                            at: "\(day)T00:00:00Z")
                    ])
                }
            }
            let days = try await brand.database.run("select distinct ordered_at from customer_order")
            #expect(try days.decode(Timestamp.self) == [Timestamp(year: 2026, month: 1, day: 1)!])
            #expect(try await brand.totals.orders == 6)
        }
    }

    @Test("hundreds of orders, their events in any order and batches, are worth what the rules say")
    func random() async throws {
        for seed in UInt64(1)...4 {
            var generator = SeededGenerator(seed: seed)
            let history = try OrderHistory(orders: 120, using: &generator)
            try await TestBrand.with { brand in
                let repeated = history.events.filter { _ in Bool.random(using: &generator) }
                var arriving = (history.events + repeated).shuffled(using: &generator)
                var rates = history.rates.shuffled(using: &generator)
                while !arriving.isEmpty {
                    let batch = arriving.prefix(Int.random(in: 1...90, using: &generator))
                    arriving.removeFirst(batch.count)
                    try await brand.write(Array(batch))
                    if let rate = rates.popLast() { _ = try await brand.rates.set([rate]) }
                }
                if !rates.isEmpty { _ = try await brand.rates.set(rates) }
                try await history.check(brand)
                #expect(try await brand.refold().differences.isEmpty, "seed \(seed)")
            }
        }
    }
}

extension TestBrand {
    /// The brand's rates, set through a connection of their own.
    var rates: Rates {
        let settings = settings
        return Rates(database: writerDatabase, reader: database, settings: { settings })
    }
}

extension Range<Int> {
    /// All orders of these numbers: at most 24.
    var permutations: [[Int]] {
        reduce([[]]) { orders, number in
            orders.flatMap { order in
                (0...order.count).map { place in order[..<place] + [number] + order[place...] }
            }
        }
    }
}
