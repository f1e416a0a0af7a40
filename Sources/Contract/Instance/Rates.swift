import Kernel

/// What one unit of a currency was worth in the brand's on a day.
public struct CurrencyRate: JSONBody, Equatable {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case currency, day, rate
    }

    public var currency: Currency
    /// In UTC. The rate holds until there is a newer one, for six more days at most.
    public var day: Day
    /// A decimal with at most ten places.
    public var rate: String

    public init(currency: Currency, day: Day, rate: String) {
        self.currency = currency
        self.day = day
        self.rate = rate
    }
}

/// `PUT /api/rates`: rates to be set, whatever they were before.
public struct RatesDraft: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case rates
    }

    public var rates: [CurrencyRate]

    public init(rates: [CurrencyRate]) { self.rates = rates }
}

/// What setting rates, or taking one back, has changed.
public struct RatesChange: Codable, Sendable {
    /// Rates that are other than they were.
    public var changed: Int
    /// Orders that count at another rate since.
    public var orders: Int64

    public init(changed: Int, orders: Int64) {
        self.changed = changed
        self.orders = orders
    }
}
