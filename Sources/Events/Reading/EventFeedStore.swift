import Contract
import Kernel
import Postgres

/// Reads stored events in the order of their commits, for readers of a brand's own that follow them.
///
/// Positions have no gap, and what is committed later has a later one (`event_feed`). So whoever has read up
/// to a position, and goes on behind it, has seen every event once.
public struct EventFeedStore: Sendable {
    /// Positions that one page looks at, however few of them pass the filter.
    static let windowPositions: Int64 = 20_000

    /// What a feed may be narrowed to.
    public struct Filter: Sendable {
        public var type: EventType?
        public var profile: ProfileID?
        /// Whether events of test keys are shown too.
        public var areTestsShown = false

        public init() {}
    }

    /// A part of the feed.
    public struct Page: Sendable {
        public let events: [(position: Int64, json: String)]
        /// Where the next part begins: also when this one shows none.
        public let next: Int64
        /// Whether there was nothing behind this part when it was read.
        public let isLast: Bool
    }

    private let database: PostgresPool

    public init(database: PostgresPool) { self.database = database }

    /// The newest position; 0 before the first event.
    public func newest() async throws -> Int64 {
        try await database.run("select position from event_feed")[0].decode(Int64.self)
    }

    /// The events behind `cursor`, at most `limit`; from the oldest that is kept where there is no cursor.
    ///
    /// - Throws: `Fault.gone` when events behind `cursor` are kept no more.
    public func page(
        _ filter: Filter, behind cursor: Int64?, limit: Int, doing: String
    ) async throws -> Page {
        // Read first: what is committed up to here is seen by what is read next.
        let newest = try await newest()
        guard cursor ?? 0 <= newest else {
            throw Fault(
                .invalid, doing: doing, "the newest event has the position \(newest)", field: "cursor")
        }
        if cursor == newest { return Page(events: [], next: newest, isLast: true) }
        let oldest = try await database.run(
            "select position from customer_raw_event where position is not null order by position limit 1"
        ).first?.decode(Int64.self)
        let first = (oldest ?? newest + 1) - 1
        if let cursor, cursor < first {
            throw Fault(
                .gone, doing: doing,
                "the events behind position \(cursor) are kept no more; begin again without a cursor")
        }
        let start = cursor ?? first
        let end = min(start + EventFeedStore.windowPositions, newest)
        var condition: SQL = "e.position > \(start) and e.position <= \(end)"
        if let type = filter.type { condition += " and e.event_type = \(type.rawValue)" }
        if let profile = filter.profile { condition += " and e.customer_profile_id = \(profile)" }
        if !filter.areTestsShown { condition += " and not e.test" }
        let rows = try await database.run(
            """
            select e.position, \(EventListStore.document) from customer_raw_event e where \(condition)
            order by e.position limit \(limit)
            """)
        let events = try rows.decode((Int64, String).self).map { (position: $0, json: $1) }
        let next = events.count == limit ? events.last?.position ?? end : end
        return Page(events: events, next: next, isLast: next >= newest)
    }
}
