import Contract
import Foundation
import Kernel
import Postgres
import TestSupport
import Testing

@testable import Events

/// A random history of orders with versions, refunds, cancellations and currencies, and what it is worth by
/// rules that are written a second time here, one order after the other.
struct OrderHistory {
    private(set) var events: [Event] = []
    let rates: [CurrencyRate]

    /// What an order is worth by the rules, in ten-thousandths.
    private struct Worth {
        var isCancelled: Bool
        var value: Int64
        var currency: String
        var converted: Decimal?
    }

    private var worths: [String: Worth] = [:]
    private static let currencies = ["USD", "EUR", "INR", "CHF"]

    init(orders: Int, using generator: inout some RandomNumberGenerator) throws {
        // Every day has a rate of one currency, every fourth of another, none of the third.
        rates = (1...28).flatMap { day in
            let day = Day(year: 2026, month: 1, day: day)!
            let euro = CurrencyRate(
                currency: Currency("EUR")!, day: day,
                rate: "1.0\(Int.random(in: 100...999, using: &generator))")
            let rupee = CurrencyRate(
                currency: Currency("INR")!, day: day,
                rate: "0.01\(Int.random(in: 100...999, using: &generator))")
            return day.dayOfMonth % 4 == 0 ? [euro, rupee] : [euro]
        }
        for number in 0..<orders { try addOrder("o\(number)", using: &generator) }
    }

    private mutating func addOrder(_ id: String, using generator: inout some RandomNumberGenerator) throws {
        var newest: (version: Int, total: Int64, currency: String, refunded: Int64?, isCancelled: Bool?)?
        var day = 29
        for version in (1...Int.random(in: 1...3, using: &generator)).shuffled(using: &generator) {
            let total = Int64.random(in: 0...9_999_999, using: &generator)
            let currency = OrderHistory.currencies.randomElement(using: &generator)!
            let refunded = Int.random(in: 0..<5, using: &generator) == 0 ? total / 3 : nil
            let isCancelled: Bool? =
                Int.random(in: 0..<6, using: &generator) == 0 ? Bool.random(using: &generator) : nil
            let happened = Int.random(in: 1...28, using: &generator)
            day = min(day, happened)
            var said = #""orderId":"\#(id)","version":\#(version),"total":"\#(Money(tenThousandths: total))""#
            if currency != "USD" { said += #","currency":"\#(currency)""# }
            if let refunded { said += #","refunded":"\#(Money(tenThousandths: refunded))""# }
            if let isCancelled { said += #","cancelled":\#(isCancelled)"# }
            try add("\(id)-v\(version)", .purchase, said, on: happened)
            if version > newest?.version ?? 0 { newest = (version, total, currency, refunded, isCancelled) }
        }
        guard let newest else { return }
        var given: Int64 = 0
        for number in 0..<Int.random(in: 0...3, using: &generator) {
            let currency = [nil, newest.currency, "GBP"].randomElement(using: &generator)!
            var counted: Int64 = 0
            for version in 1...Int.random(in: 1...2, using: &generator) {
                counted = Int64.random(in: 0...999_999, using: &generator)
                var said = #""orderId":"\#(id)","refundId":"r\#(number)","version":\#(version)"#
                said += #","amount":"\#(Money(tenThousandths: counted))""#
                if let currency { said += #","currency":"\#(currency)""# }
                try add("\(id)-r\(number)-\(version)", .refund, said, on: 28)
            }
            if currency ?? newest.currency == newest.currency { given += counted }
        }
        let isCalledOff = Int.random(in: 0..<5, using: &generator) == 0
        if isCalledOff { try add("\(id)-c", .cancellation, #""orderId":"\#(id)""#, on: 28) }
        let isCancelled = newest.isCancelled ?? isCalledOff
        let value = isCancelled ? 0 : newest.total - (newest.refunded ?? given)
        worths[id] = Worth(
            isCancelled: isCancelled, value: value, currency: newest.currency,
            converted: rate(newest.currency, on: day).map { rounded(Decimal(value) * $0) })
    }

    private mutating func add(_ key: String, _ type: EventType, _ said: String, on day: Int) throws {
        let day = day < 10 ? "0\(day)" : "\(day)"
        events.append(
            try .sample(
                key, type, [.email: "\(key.prefix { $0 != "-" })@b.com"], properties: "{\(said)}",
                occurredAt: "2026-01-\(day)T12:00:00Z"))
    }

    /// That of the day, or of the newest of the six days before.
    private func rate(_ currency: String, on day: Int) -> Decimal? {
        if currency == "USD" { return 1 }
        return rates.filter {
            $0.currency.code == currency && ($0.day.dayOfMonth - day <= 0) && ($0.day.dayOfMonth > day - 7)
        }.max { $0.day < $1.day }.flatMap { Decimal(string: $0.rate) }
    }

    /// To whole ten-thousandths, half away from zero.
    private func rounded(_ amount: Decimal) -> Decimal {
        var (amount, result) = (amount, Decimal())
        NSDecimalRound(&result, &amount, 0, .plain)
        return result
    }

    /// Compares what the brand has with what the rules say: each order, and the sums.
    func check(_ brand: TestBrand) async throws {
        let rows = try await brand.database.run(
            """
            select o.order_id, o.is_cancelled, (o.value * 10000)::bigint, o.currency,
                   (o.brand_value * 10000)::bigint, p.lifetime_value = coalesce(o.brand_value, 0)
                       and p.total_orders = (not o.is_cancelled)::int
            from customer_order o join customer_profile p on p.id = o.profile_id
            """
        ).decode((String, Bool, Int64, String, Int64?, Bool).self)
        #expect(rows.count == worths.count)
        for (id, isCancelled, value, currency, converted, isOfProfile) in rows {
            let worth = try #require(worths[id])
            #expect(isCancelled == worth.isCancelled && value == worth.value, "\(id)")
            #expect(currency == worth.currency && converted.map { Decimal($0) } == worth.converted, "\(id)")
            #expect(isOfProfile, "\(id)")
        }
        let totals = try await brand.totals
        #expect(totals.orders == worths.values.filter { !$0.isCancelled }.count)
        let sum = worths.values.reduce(Decimal()) { $0 + ($1.converted ?? 0) }
        #expect(Decimal(string: totals.converted).map { $0 * 10000 } == sum)
        let missing = worths.values.filter { !$0.isCancelled && $0.converted == nil }
        let counts = Dictionary(grouping: missing, by: \.currency).mapValues { Int64($0.count) }
        #expect(totals.withoutRate == counts)
        #expect(!missing.isEmpty && totals.withoutRate["EUR"] == nil)
    }
}
