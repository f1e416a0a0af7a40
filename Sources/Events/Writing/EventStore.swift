import Contract
import Kernel
import Postgres

/// The tables of events: keys, raw events, and how many there are.
public struct EventStore: Sendable {
    public init() {}

    /// Makes the server plan each statement for the tables as they are; planning costs little beside a batch.
    func planEachStatement(on connection: PostgresConnection) async throws {
        try await connection.run("set plan_cache_mode = force_custom_plan")
    }

    /// Takes the writer lease for the length of the transaction.
    ///
    /// - Throws: `Fault.conflict` when `generation` is not the one that may write: this process is fenced.
    func holdLease(generation: Int64, in transaction: PostgresTransaction) async throws {
        let rows = try await transaction.run(
            "select id from writer_lease where generation = \(generation) for update")
        guard rows.count == 1 else {
            throw Fault(
                .conflict, doing: "commit events",
                "generation \(generation) may no longer write; another placement has taken over"
            )
        }
    }

    /// Enters the keys of `events`, and gives the ids of those that were not there before.
    func enterKeys(
        of events: [PlacedEvent], in transaction: PostgresTransaction
    ) async throws -> Set<EventID> {
        let rows = try await transaction.run(
            """
            insert into event_key (source, key, event_id)
            select source, key, event_id
            from unnest(\(events.map(\.event.source)), \(events.map(\.event.key)), \(events.map(\.id)))
                 with ordinality as sent (source, key, event_id, place)
            order by place
            on conflict (source, key) do nothing
            returning event_id
            """)
        return Set(try rows.map { try $0.decode(EventID.self) })
    }

    /// Writes the raw events, each at its position in the feed, and counts those that count.
    func insert(_ batch: EventBatch, in transaction: PostgresTransaction) async throws {
        let events = batch.events
        let payloads = events.map { placed in
            JSONB(
                bytes: JSONText.object([
                    ("identifiers", EventEnvelope.identifiersJSON(placed.event.identifiers)),
                    ("properties", placed.event.properties),
                ]))
        }
        try await transaction.run(
            """
            with moved as (
                update event_feed set position = position + \(Int64(events.count))
                returning position - \(Int64(events.count)) as before
            )
            insert into customer_raw_event
                (id, created_at, event_type, occurred_at, channel, source, event_key, payload, test,
                 placed_on, customer_profile_id, position)
            select sent.id, sent.created_at, event_type, occurred_at, channel, source, event_key, payload,
                   test, placed_on, profile, before + place
            from moved cross join unnest(
                \(events.map(\.id)), \(events.map(\.event.receivedAt)), \(events.map(\.event.type.rawValue)),
                \(events.map(\.event.occurredAt)), \(events.map(\.event.channel)),
                \(events.map(\.event.source)), \(events.map(\.event.key)), \(payloads),
                \(events.map(\.event.isTest)), \(events.map { $0.placement?.identifier }),
                \(events.map { $0.placement?.profile })) with ordinality as sent
                (id, created_at, event_type, occurred_at, channel, source, event_key, payload, test,
                 placed_on, profile, place)
            """)
        let counted = Int64(batch.counted.count)
        if counted > 0 { try await transaction.run("update brand_totals set events = events + \(counted)") }
        try await EventMeterStore().count(events, in: transaction)
    }

    /// Takes stored events with the identifiers that they are placed on, where those have come into another
    /// profile.
    func follow(
        _ moved: [IdentifierID: ProfileID], in transaction: PostgresTransaction
    ) async throws {
        guard !moved.isEmpty else { return }
        let moved = moved.sorted { $0.key < $1.key }
        try await transaction.run(
            """
            update customer_raw_event set customer_profile_id = moved.profile
            from unnest(\(moved.map(\.key)), \(moved.map(\.value))) as moved (identifier, profile)
            where placed_on = moved.identifier and customer_profile_id is distinct from moved.profile
            """)
    }

    /// Places stored events on another identifier.
    func replace(
        _ replaced: [IdentityChange.Replaced], in transaction: PostgresTransaction
    ) async throws {
        guard !replaced.isEmpty else { return }
        try await transaction.run(
            """
            update customer_raw_event r
            set placed_on = replaced.identifier, customer_profile_id = replaced.profile
            from unnest(\(replaced.map(\.id)), \(replaced.map(\.receivedAt)),
                        \(replaced.map { $0.placement?.identifier }),
                        \(replaced.map { $0.placement?.profile }))
                as replaced (id, received_at, identifier, profile)
            where r.id = replaced.id and r.created_at = replaced.received_at
            """)
    }

    /// Which of `keys` are known for `source`, with the event that each brought.
    ///
    /// The bytes of a key are compared, as the table does it: texts that Swift takes for equal, such as one
    /// letter in its two Unicode forms, are two keys.
    public func known(
        _ keys: [String], source: String, on database: some PostgresRunner
    ) async throws -> [[UInt8]: EventID] {
        let rows = try await database.run(
            "select key, event_id from event_key where source = \(source) and key = any(\(keys))")
        let known = try rows.decode((String, EventID).self).map { (Array($0.utf8), $1) }
        return Dictionary(uniqueKeysWithValues: known)
    }
}
