import Contract
import Kernel
import Postgres

/// Reads stored events as the JSON documents of the API.
public struct EventListStore: Sendable {
    /// What a list of events may be narrowed to.
    public struct Filter: Sendable {
        public var type: EventType?
        public var profile: ProfileID?

        public init(type: EventType? = nil, profile: ProfileID? = nil) {
            self.type = type
            self.profile = profile
        }
    }

    private let database: PostgresPool

    public init(database: PostgresPool) { self.database = database }

    /// An event as the API shows it.
    static let document: SQL = """
        json_build_object(
            'id', e.id, 'brandId', (select brand_id from brand_state), 'eventId', e.event_key,
            'source', e.source,
            'type', e.event_type, 'channel', e.channel, 'test', e.test,
            'occurredAt', to_char(e.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'createdAt', to_char(e.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'customerProfileId', e.customer_profile_id, 'placedOn', e.placed_on,
            'identifiers', e.payload -> 'identifiers', 'properties', e.payload -> 'properties')::text
        """

    /// Whether an event is there as it was sent: behind a checkpoint is only what folding needs.
    private static let isWhole: SQL = "e.created_at >= (select received_before from fold_checkpoint)"

    /// The newest events first, by when they were received; at most `limit`, behind `cursor`, and none that a
    /// checkpoint has replaced.
    public func list(
        _ filter: Filter, behind cursor: PageCursor?, limit: Int
    ) async throws -> [ListedDocument] {
        var condition = EventListStore.isWhole
        if let cursor { condition += " and (e.created_at, e.id) < (\(cursor.instant), \(cursor.id))" }
        if let type = filter.type { condition += " and e.event_type = \(type.rawValue)" }
        if let profile = filter.profile { condition += " and e.customer_profile_id = \(profile)" }
        let rows = try await database.run(
            """
            select e.created_at, e.id, \(EventListStore.document)
            from customer_raw_event e where \(condition)
            order by e.created_at desc, e.id desc limit \(limit)
            """)
        return try rows.decode((Timestamp, UUIDv7, String).self).map { instant, id, json in
            ListedDocument(json: json, cursor: PageCursor(instant: instant, id: id))
        }
    }

    /// One event; nil when there is none of this id. An id tells the millisecond of its receipt, so only one
    /// partition is read.
    public func show(_ id: EventID) async throws -> String? {
        let received = id.uuid.instant
        let rows = try await database.run(
            """
            select \(EventListStore.document) from customer_raw_event e
            where e.id = \(id) and e.created_at >= \(received)
              and e.created_at < \(received + .milliseconds(1)) and \(EventListStore.isWhole)
            """)
        return try rows.first?.decode(String.self)
    }

    /// Where a committed event is.
    public enum Place: Sendable {
        case profile(ProfileID)
        /// It counts for the brand and belongs to no profile, or has been folded into a checkpoint, which may
        /// have forgotten it.
        case nobody
        /// No event of this key is stored.
        case notStored
    }

    /// Where the event of this key was placed.
    public func place(ofKey key: String, source: String) async throws -> Place {
        let known = try await EventStore().known([key], source: source, on: database)
        guard let event = known.values.first else { return .notStored }
        let received = event.uuid.instant
        let rows = try await database.run(
            """
            select customer_profile_id from customer_raw_event
            where id = \(event) and created_at >= \(received) and created_at < \(received + .milliseconds(1))
            """)
        return try rows.first?.decode(ProfileID?.self).map(Place.profile) ?? .nobody
    }
}
