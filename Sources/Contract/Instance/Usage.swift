import Kernel

/// What a brand uses of what its plan allows: an instance's `GET /api/usage`, and with what the control plane
/// knows beside it `GET /api/admin/brands/:slug/usage`.
public struct UsageView: Codable, Sendable, Equatable {
    /// The present month in the brand's time zone: its first instant, and the next month's.
    public struct Month: Codable, Sendable, Equatable {
        public var from: Timestamp
        public var to: Timestamp

        public init(from: Timestamp, to: Timestamp) {
            self.from = from
            self.to = to
        }
    }

    /// One limit of the plan.
    public struct Item: Codable, Sendable, Equatable {
        /// The limit's name in the plan, or `testEventsPerMonth`, which has the limit of `eventsPerMonth`.
        public var name: String
        public var used: Int
        /// nil where the plan sets none.
        public var limit: Int?
        /// Whether more is used than the plan allows.
        public var isOver: Bool

        public init(_ name: String, used: Int, limit: Int?) {
            self.name = name
            self.used = used
            self.limit = limit
            isOver = limit.map { used > $0 } ?? false
        }
    }

    public var timeZone: String
    public var month: Month
    public var items: [Item]

    public init(timeZone: String, month: Month, items: [Item]) {
        self.timeZone = timeZone
        self.month = month
        self.items = items
    }
}
