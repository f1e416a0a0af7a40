import Kernel

/// Names the ids of events.
public enum EventSubject {}
/// The id of a stored event.
public typealias EventID = TypedID<EventSubject>

/// What became of one event of a request.
public struct EventVerdict: Codable, Sendable {
    /// `accepted`: it is durable. `rejected`: nothing of it is kept; `error` says why.
    public enum Outcome: String, Codable, Sendable {
        case accepted, rejected
    }

    /// Its place in the request, from 0.
    public var index: Int
    public var outcome: Outcome
    /// The event's key: its own, or the one minted for it.
    public var eventId: String?
    public var error: String?
    public var field: String?

    public init(index: Int, outcome: Outcome, eventId: String?, error: String? = nil, field: String? = nil) {
        self.index = index
        self.outcome = outcome
        self.eventId = eventId
        self.error = error
        self.field = field
    }
}

/// The answer to `POST /api/events/batch`.
public struct BatchAnswer: Codable, Sendable {
    public var accepted: Int
    public var rejected: Int
    public var results: [EventVerdict]

    public init(accepted: Int, rejected: Int, results: [EventVerdict]) {
        self.accepted = accepted
        self.rejected = rejected
        self.results = results
    }
}

/// The answer to a message or a batch of `/v1`, as SDKs of Segment expect it. The rest is there when some
/// messages were refused.
public struct SegmentAnswer: Codable, Sendable {
    public var success = true
    public var accepted: Int?
    public var rejected: Int?
    /// The messages that were refused, and why.
    public var results: [EventVerdict]?

    public init(accepted: Int? = nil, rejected: Int? = nil, results: [EventVerdict]? = nil) {
        self.accepted = accepted
        self.rejected = rejected
        self.results = results
    }
}

/// `GET /api/monitoring/stats`: the brand's totals, kept as they change and read in constant time.
public struct StatsView: Codable, Sendable {
    public var brandId: BrandID
    public var profiles: Int64
    public var events: Int64
    public var orders: Int64
    /// What all orders are worth in the brand's currency, less those that have no rate: a decimal with at
    /// least two places. A sum may be larger than any `Money`.
    public var revenue: String
    public var currency: String
    /// What orders in other currencies are worth in these, by code.
    public var otherCurrencies: [String: String]
    /// How many orders `revenue` leaves out, since there is no rate for their day, by currency.
    public var ordersWithoutRate: [String: Int64]
    /// Entries accepted and not committed yet.
    public var waiting: Int64

    public init(
        brandId: BrandID, profiles: Int64, events: Int64, orders: Int64, revenue: String, currency: String,
        otherCurrencies: [String: String], ordersWithoutRate: [String: Int64], waiting: Int64
    ) {
        self.brandId = brandId
        self.profiles = profiles
        self.events = events
        self.orders = orders
        self.revenue = revenue
        self.currency = currency
        self.otherCurrencies = otherCurrencies
        self.ordersWithoutRate = ordersWithoutRate
        self.waiting = waiting
    }
}

/// `GET /api/monitoring/health` of an instance.
public struct HealthView: Codable, Sendable {
    /// `ok` or `degraded`.
    public var status: String
    /// Each part by name, `ok` or what is wrong with it.
    public var checks: [String: String]

    public init(status: String, checks: [String: String]) {
        self.status = status
        self.checks = checks
    }
}
