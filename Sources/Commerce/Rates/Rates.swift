import Contract
import Events
import Kernel
import Postgres

/// The rates at which orders in other currencies count: set by the brand, and taken up by its orders at once.
public struct Rates: Sendable {
    /// Rates in one request.
    public static let maximumRates = 10_000
    /// Decimal places of a rate, and the largest: no two currencies are further apart.
    static let maximumPlaces = 10
    static let maximumRate = 10_000_000

    private static let setting = "set the rates"

    private let database: WriterDatabase
    private let reader: PostgresPool
    private let settings: @Sendable () -> BrandSettings
    private let store = RateStore()
    private let orders = OrderStore()

    /// - Parameters:
    ///   - database: a connection of its own, beside the writer's.
    ///   - settings: the brand's present settings, for its currency.
    public init(
        database: WriterDatabase, reader: PostgresPool, settings: @escaping @Sendable () -> BrandSettings
    ) {
        self.database = database
        self.reader = reader
        self.settings = settings
    }

    /// Rates by currency and day, the newest first; at most `limit`, behind `cursor`.
    public func list(
        _ currency: Currency?, behind cursor: RateCursor?, limit: Int
    ) async throws -> (rates: [CurrencyRate], next: RateCursor?) {
        let found = try await store.list(currency, behind: cursor, limit: limit + 1, on: reader)
        return (Array(found.prefix(limit)), found.count > limit ? RateCursor(found[limit - 1]) : nil)
    }

    /// Sets rates, all or none.
    ///
    /// - Throws: `Fault.invalid` with the field, such as `rates[3].rate`.
    public func set(_ rates: [CurrencyRate]) async throws -> RatesChange {
        let own = settings().currency
        try Rates.check(rates, own: own)
        return try await change { store, transaction in try await store.set(rates, in: transaction) }
    }

    /// Takes a rate back.
    ///
    /// - Throws: `Fault.notFound` when there is none of that day.
    public func withdraw(_ currency: Currency, on day: Day) async throws -> RatesChange {
        let change = try await change { store, transaction in
            try await store.withdraw(currency, on: day, in: transaction)
        }
        guard change.changed > 0 else {
            throw Fault(.notFound, doing: "take the rate back", "there is no rate of \(currency) of \(day)")
        }
        return change
    }

    /// Changes rates, and has the orders that they are for count at them.
    private func change(
        _ body: @Sendable (RateStore, PostgresTransaction) async throws -> [(currency: String, day: Day)]
    ) async throws -> RatesChange {
        let (store, orders, own) = (store, orders, settings().currency)
        return try await database.transaction { transaction in
            let changed = try await body(store, transaction)
            guard let first = changed.map(\.day).min(), let last = changed.map(\.day).max() else {
                return RatesChange(changed: 0, orders: 0)
            }
            let priced = try await orders.price(
                Set(changed.map(\.currency)), from: first, through: last, currency: own, in: transaction)
            try await orders.add(priced.changes, in: transaction)
            return RatesChange(changed: changed.count, orders: priced.orders)
        }
    }

    private static func check(_ rates: [CurrencyRate], own: String) throws(Fault) {
        guard rates.count <= maximumRates else {
            throw Fault(
                .tooLarge, doing: setting, "there are at most \(maximumRates) in one request", field: "rates")
        }
        var days: Set<String> = []
        for (index, rate) in rates.enumerated() {
            func wrong(_ field: String, _ detail: String) -> Fault {
                Fault(.invalid, doing: setting, detail, field: "rates[\(index)].\(field)")
            }
            guard rate.currency.code != own else {
                throw wrong("currency", "\(own) is the brand's own currency, whose rate is 1")
            }
            guard isRate(rate.rate) else {
                throw wrong(
                    "rate",
                    "expected a decimal above 0 and at most \(maximumRate), of at most "
                        + "\(maximumPlaces) places")
            }
            guard days.insert("\(rate.currency) \(rate.day)").inserted else {
                throw wrong("day", "\(rate.currency) of \(rate.day) is there twice")
            }
        }
    }

    /// Digits with at most one point inside, above zero.
    private static func isRate(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = parts.first, (1...8).contains(whole.utf8.count),
            parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            parts.count == 1 || parts[1].utf8.count <= maximumPlaces, let units = Int(whole),
            units < maximumRate || (units == maximumRate && (parts.count == 1 || Int(parts[1]) == 0))
        else { return false }
        return text.utf8.contains { $0 != UInt8(ascii: "0") && $0 != UInt8(ascii: ".") }
    }
}
