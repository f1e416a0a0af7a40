import Contract
import Customers
import Events
import Kernel
import Postgres

/// Reads the stored events of a brand, page by page, in the transaction of a re-fold.
struct RefoldEventStore {
    /// Events that are read at a time.
    static let pageEvents = 5_000
    /// Purchases, refunds and cancellations, with all that they say, that are read at a time.
    static let pageSales = 1_000

    /// How many events there are to be read.
    func count(in transaction: PostgresTransaction) async throws -> Int64 {
        try await transaction.run("select count(*) from customer_raw_event where not test")[0]
            .decode(Int64.self)
    }

    /// Hands every event that counts to `body`, a page at a time, as they were received.
    nonisolated(nonsending) func events(
        in transaction: PostgresTransaction,
        _ body: nonisolated(nonsending) ([RefoldHistory.Stored]) async throws -> Void
    ) async throws {
        try await transaction.run(
            """
            declare refold_events no scroll cursor for
            select id, created_at, event_type = 'sign_out', occurred_at, event_key, source,
                   payload -> 'identifiers', payload #> '{properties,consent}', coalesce(stands_for, 1)
            from customer_raw_event where not test order by created_at, id
            """)
        while true {
            let rows = try await transaction.run("fetch \(raw: "\(Self.pageEvents)") from refold_events")
            try await body(try rows.map(stored))
            if rows.count < Self.pageEvents { break }
        }
        try await transaction.run("close refold_events")
    }

    private func stored(_ row: PostgresRow) throws -> RefoldHistory.Stored {
        let (id, receivedAt, isSignOut, occurredAt, key, source, identifiers, consent, count) =
            try row.decode(
                (EventID, Timestamp, Bool, Timestamp, String, String, JSONB, JSONB?, Int).self)
        let consents = try consent.map { consent in
            let properties = JSONText.object([(name: ConsentStatement.property, value: consent.bytes)])
            return try ConsentStatement.all(
                in: JSONText.checking(properties), doing: "fold the consent of event \(id)")
        }
        return RefoldHistory.Stored(
            of: (id, receivedAt, standsFor: count),
            order: EventOrder(occurredAt: occurredAt, key: key, source: source), isSignOut: isSignOut,
            content: (try sent(identifiers), consents ?? []))
    }

    private func sent(_ identifiers: JSONB) throws -> [SentIdentifier] {
        try JSONText.checking(identifiers.bytes).members.compactMap { name, value in
            guard let kind = IdentifierKind(rawValue: name), let text = value.string else { return nil }
            return SentIdentifier(kind: kind, value: text)
        }
    }

    /// Hands every purchase, refund and cancellation that counts to `body`, a page at a time, placed as it
    /// should be. To be called when the scratch table of events is filled.
    nonisolated(nonsending) func sales(
        in transaction: PostgresTransaction,
        _ body: nonisolated(nonsending) ([PlacedEvent]) async throws -> Void
    ) async throws {
        try await transaction.run(
            """
            declare refold_sales no scroll cursor for
            select r.id, r.created_at, r.event_type, r.occurred_at, r.event_key, r.source, r.channel,
                   r.payload -> 'properties', f.placed_on, f.profile_id
            from customer_raw_event r join refold_event f on f.id = r.id and f.created_at = r.created_at
            where r.event_type in ('purchase', 'refund', 'cancellation')
            """)
        while true {
            let rows = try await transaction.run(
                "fetch \(raw: "\(Self.pageSales)") from refold_sales")
            try await body(try rows.map(placed))
            if rows.count < Self.pageSales { break }
        }
        try await transaction.run("close refold_sales")
    }

    private func placed(_ row: PostgresRow) throws -> PlacedEvent {
        let (id, receivedAt, name, occurredAt, key, source, channel, properties, placedOn, profile) =
            try row.decode(
                (
                    EventID, Timestamp, String, Timestamp, String, String, String, JSONB, IdentifierID?,
                    ProfileID?
                ).self)
        guard let type = EventType(rawValue: name) else {
            throw Fault(.internal, doing: "fold the orders anew", "the event \(id) has the type '\(name)'")
        }
        let event = Event(
            source: source, key: key, type: type, occurredAt: occurredAt, receivedAt: receivedAt,
            channel: channel, identifiers: [], properties: properties.bytes, isTest: false)
        var placement: Placement?
        if let placedOn, let profile { placement = Placement(identifier: placedOn, profile: profile) }
        return PlacedEvent(id: id, event: event, placement: placement)
    }
}
