import Contract
import Kernel
import Postgres

/// The table of rates.
struct RateStore {
    /// Days that a rate is good for, its own included.
    static let reachDays = 7

    /// Sets rates, and gives those that were other before, in order.
    func set(
        _ rates: [CurrencyRate], in transaction: PostgresTransaction
    ) async throws -> [(currency: String, day: Day)] {
        let rows = try await transaction.run(
            """
            insert into currency_rate as r (currency, day, rate, updated_at)
            select currency, day::date, rate::numeric, now()
            from unnest(\(rates.map(\.currency.code)), \(rates.map(\.day.description)), \(rates.map(\.rate)))
                as sent (currency, day, rate)
            order by currency, day
            on conflict (currency, day) do update set rate = excluded.rate, updated_at = excluded.updated_at
            where r.rate is distinct from excluded.rate
            returning currency, day::text
            """)
        return try rows.map(RateStore.changed)
    }

    /// Takes a rate back: nothing when there is none.
    ///
    /// The row stays, so that those who follow the rates see that it has changed.
    func withdraw(
        _ currency: Currency, on day: Day, in transaction: PostgresTransaction
    ) async throws -> [(currency: String, day: Day)] {
        let rows = try await transaction.run(
            """
            update currency_rate set rate = null, updated_at = now()
            where currency = \(currency.code) and day = \(day.description)::date and rate is not null
            returning currency, day::text
            """)
        return try rows.map(RateStore.changed)
    }

    private static func changed(_ row: PostgresRow) throws -> (currency: String, day: Day) {
        let (currency, text) = try row.decode((String, String).self)
        guard let day = Day(text) else {
            throw Fault(.internal, doing: "set the rates", "the database has the day \(text)")
        }
        return (currency, day)
    }

    /// Rates by currency and day, the newest first; at most `limit`, behind `cursor`.
    func list(
        _ currency: Currency?, behind cursor: RateCursor?, limit: Int, on database: PostgresPool
    ) async throws -> [CurrencyRate] {
        var condition: SQL = "rate is not null"
        if let currency { condition += " and currency = \(currency.code)" }
        if let cursor {
            condition += """
                 and (currency > \(cursor.currency.code)
                      or currency = \(cursor.currency.code) and day < \(cursor.day.description)::date)
                """
        }
        let rows = try await database.run(
            """
            select currency, day::text, trim_scale(rate)::text from currency_rate where \(condition)
            order by currency, day desc limit \(limit)
            """)
        return try rows.decode((String, String, String).self).compactMap { code, day, rate in
            guard let currency = Currency(code), let day = Day(day) else { return nil }
            return CurrencyRate(currency: currency, day: day, rate: rate)
        }
    }
}

/// Where a list of rates goes on: `EUR.2026-01-31`.
public struct RateCursor: Sendable, CustomStringConvertible {
    let currency: Currency
    let day: Day

    init(_ rate: CurrencyRate) { (currency, day) = (rate.currency, rate.day) }

    /// Parses what `description` writes.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let currency = Currency(parts[0]), let day = Day(parts[1]) else { return nil }
        (self.currency, self.day) = (currency, day)
    }

    public var description: String { "\(currency).\(day)" }
}
