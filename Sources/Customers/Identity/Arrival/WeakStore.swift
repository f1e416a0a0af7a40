import Contract
import Events
import Kernel
import Postgres

/// The tables of weak identifiers: who signed in on them and when, and which events carry them.
struct WeakStore {
    /// Enters sign-ins and sign-outs, and gives the weak identifiers on which somebody signs in for the first
    /// time.
    func enter(
        _ sightings: [WeakSighting], in transaction: PostgresTransaction
    ) async throws -> Set<IdentifierID> {
        guard !sightings.isEmpty else { return [] }
        let signIns = Set(sightings.compactMap { sighting in sighting.owner.map { [sighting.weak, $0] } })
        let answers = try await transaction.run(all: [
            """
            insert into identifier_sign_in (identifier_id, occurred_at, event_key, source, owner_id)
            select * from unnest(
                \(sightings.map(\.weak)), \(sightings.map(\.order.occurredAt)),
                \(sightings.map(\.order.key)), \(sightings.map(\.order.source)), \(sightings.map(\.owner)))
            """,
            """
            insert into identifier_owner (identifier_id, owner_id)
            select * from unnest(\(signIns.map { $0[0] }), \(signIns.map { $0[1] }))
            on conflict do nothing
            returning identifier_id
            """,
        ])
        return Set(try answers[1].decode(IdentifierID.self))
    }

    /// The profiles that have signed in on weak identifiers which no person has decided about, as they are
    /// stored.
    func signedIn(
        on weak: [IdentifierID], in transaction: PostgresTransaction
    ) async throws -> [(weak: IdentifierID, profile: ProfileID)] {
        guard !weak.isEmpty else { return [] }
        return try await transaction.run(
            """
            select w.identifier_id, i.profile_id from identifier_owner w
            join customer_identifier i on i.id = w.owner_id
            where w.identifier_id = any(\(weak)) and i.profile_id is not null
              and not exists (
                  select from identity_decision d
                  where d.left_ids = array[w.identifier_id] and not d.by_limit
                    and d.kind in ('block', 'unblock', 'share', 'unshare'))
            """
        ).decode((IdentifierID, ProfileID).self).map { (weak: $0, profile: $1) }
    }

    /// Marks weak identifiers as shared, by the limit.
    func share(_ weak: [IdentifierID], in transaction: PostgresTransaction) async throws {
        guard !weak.isEmpty else { return }
        try await transaction.run(all: [
            """
            insert into identity_decision (kind, left_ids, by_limit, actor, reason)
            select 'share', array[id], true, 'sign-ins', 'people of more than three profiles signed in on it'
            from unnest(\(weak)) as shared (id) order by id
            """,
            "update customer_identifier set flag = 'shared' where id = any(\(weak))",
        ])
    }

    /// An identifier that an event carries beside the one that it is placed on.
    struct Carried {
        let identifier: IdentifierID
        let event: EventID
        let receivedAt: Timestamp
    }

    /// Enters what events carry, beside the identifiers that they are placed on.
    ///
    /// - Parameter areNew: whether the events are, and so nothing of them can be there yet: to look for it
    ///   would cost as much as to write it.
    func enter(_ carried: [Carried], areNew: Bool, in transaction: PostgresTransaction) async throws {
        guard !carried.isEmpty else { return }
        let insert: SQL = """
            insert into identifier_event (identifier_id, event_id, created_at)
            select * from unnest(
                \(carried.map(\.identifier)), \(carried.map(\.event)), \(carried.map(\.receivedAt)))
            """
        try await transaction.run(areNew ? insert : insert + " on conflict do nothing")
    }

    /// Who owns what at each event: the last sign-in before it, for 30 days, else the next one, as far back.
    func owners(
        at events: [AnonymousEvent], in transaction: PostgresTransaction
    ) async throws -> WeakOwners {
        let asked = events.flatMap { event in event.weak.map { (event, $0.id) } }
        guard !asked.isEmpty else { return WeakOwners() }
        let answers = try await transaction.run(all: [
            """
            select event, weak, i.id, i.profile_id
            from unnest(\(asked.map(\.0.id)), \(asked.map(\.1)), \(asked.map(\.0.order.occurredAt)),
                        \(asked.map(\.0.order.key)), \(asked.map(\.0.order.source)),
                        \(asked.map(\.0.isSignOut)))
                as asked (event, weak, at, at_key, at_source, is_sign_out)
            left join lateral (
                select owner_id, occurred_at from identifier_sign_in
                where identifier_id = weak and (occurred_at, event_key, source) <= (at, at_key, at_source)
                  and not (is_sign_out and (occurred_at, event_key, source) = (at, at_key, at_source))
                order by occurred_at desc, event_key desc, source desc limit 1
            ) as last on true
            left join lateral (
                select owner_id, occurred_at from identifier_sign_in
                where identifier_id = weak and (occurred_at, event_key, source) > (at, at_key, at_source)
                order by occurred_at, event_key, source limit 1
            ) as next on not is_sign_out
            join customer_identifier i on i.id = case
                when last.owner_id is not null and at < last.occurred_at + \(WeakStore.span)
                then last.owner_id
                when next.owner_id is not null and at >= next.occurred_at - \(WeakStore.span)
                then next.owner_id end
              and i.profile_id is not null
            """,
            """
            select id from customer_identifier where id = any(\(Array(Set(asked.map(\.1)))))
              and flag is not null
            """,
        ])
        var owners = WeakOwners()
        for row in try answers[0].decode((EventID, IdentifierID, IdentifierID, ProfileID).self) {
            owners.owners[.init(event: row.0, weak: row.1)] = .init(id: row.2, profile: row.3)
        }
        owners.flagged = Set(try answers[1].decode(IdentifierID.self))
        return owners
    }

    /// `WeakOwnership.span` for SQL: hours, since days of an interval follow the calendar.
    private static let span: SQL = "interval '720 hours'"
}

// MARK: - Stored events

extension WeakStore {
    /// A stored event, as it was sent.
    struct Stored {
        let id: EventID
        let receivedAt: Timestamp
        let order: EventOrder
        let isSignOut: Bool
        let identifiers: [SentIdentifier]
        let placement: Placement?

        /// What a row of these columns is made of; `r` is the raw event.
        static let columns: SQL = """
            r.id, r.created_at, r.occurred_at, r.event_key, r.source,
            r.event_type = 'sign_out', r.placed_on, r.customer_profile_id,
            array(select jsonb_object_keys(r.payload -> 'identifiers') order by 1),
            array(select value from jsonb_each_text(r.payload -> 'identifiers') order by key)
            """

        init(_ row: PostgresRow) throws {
            let (id, receivedAt, occurredAt, key, source, isSignOut, placedOn, profile, kinds, values) =
                try row.decode(
                    (
                        EventID, Timestamp, Timestamp, String, String, Bool, IdentifierID?, ProfileID?,
                        [String], [String]
                    ).self)
            self.id = id
            self.receivedAt = receivedAt
            self.isSignOut = isSignOut
            order = EventOrder(occurredAt: occurredAt, key: key, source: source)
            identifiers = zip(kinds, values).compactMap { kind, value in
                IdentifierKind(rawValue: kind).map { SentIdentifier(kind: $0, value: value) }
            }
            placement = placedOn.flatMap { identifier in
                profile.map { Placement(identifier: identifier, profile: $0) }
            }
        }
    }

    /// The stored events without a strong identifier that new sign-ins and sign-outs may have given another
    /// owner: those between the sightings before and behind each, at most 30 days away.
    func disturbed(
        by sightings: [WeakSighting], in transaction: PostgresTransaction
    ) async throws -> [Stored] {
        guard !sightings.isEmpty else { return [] }
        return try await stored(
            """
            select weak, greatest(at - \(WeakStore.span), before.occurred_at) as first,
                   least(at + \(WeakStore.span), behind.occurred_at) as last
            from unnest(\(sightings.map(\.weak)), \(sightings.map(\.order.occurredAt)),
                        \(sightings.map(\.order.key)), \(sightings.map(\.order.source)))
                as sighting (weak, at, at_key, at_source)
            left join lateral (
                select occurred_at from identifier_sign_in
                where identifier_id = weak and (occurred_at, event_key, source) < (at, at_key, at_source)
                order by occurred_at desc, event_key desc, source desc limit 1
            ) as before on true
            left join lateral (
                select occurred_at from identifier_sign_in
                where identifier_id = weak and (occurred_at, event_key, source) > (at, at_key, at_source)
                order by occurred_at, event_key, source limit 1
            ) as behind on true
            """, in: transaction)
    }

    /// All stored events without a strong identifier that carry one of `weak`.
    func all(
        carrying weak: [IdentifierID], in transaction: PostgresTransaction
    ) async throws -> [Stored] {
        guard !weak.isEmpty else { return [] }
        return try await stored(
            """
            select weak, '-infinity'::timestamptz as first, 'infinity'::timestamptz as last
            from unnest(\(weak)) as carried (weak)
            """, in: transaction)
    }

    /// - Parameter ranges: rows of (weak, first, last): which events to read, ends included.
    ///
    /// `offset 0` keeps each look-up an index scan of its own: the planner cannot guess how few events carry
    /// one identifier, and would read all raw events instead.
    private func stored(_ ranges: SQL, in transaction: PostgresTransaction) async throws -> [Stored] {
        let rows = try await transaction.run(
            "with ranges as materialized (" + ranges + """
                )
                select distinct on (r.id) \(Stored.columns)
                from ranges
                cross join lateral (
                    select event_id as id, created_at from identifier_event where identifier_id = weak
                    union all
                    select id, created_at from customer_raw_event where placed_on = weak
                    offset 0
                ) as c
                cross join lateral (
                    select * from customer_raw_event e
                    where e.id = c.id and e.created_at = c.created_at
                    offset 0
                ) as r
                where r.occurred_at between first and last
                  and not r.payload -> 'identifiers'
                      ?| array['phone', 'whatsapp', 'email', 'loyalty_id', 'upi_id']
                """)
        return try rows.map(Stored.init)
    }

    /// Which of `identifiers` are weak, and whether they are profiles of their own at present.
    func weakProfiles(
        of identifiers: [IdentifierID], in transaction: PostgresTransaction
    ) async throws -> [IdentifierID: Bool] {
        guard !identifiers.isEmpty else { return [:] }
        let rows = try await transaction.run(
            """
            select id, profile_id is not null from customer_identifier
            where id = any(\(identifiers)) and kind in ('device_id', 'cookie_id', 'qr_id')
            """
        ).decode((IdentifierID, Bool).self)
        return Dictionary(uniqueKeysWithValues: rows)
    }

    /// Which of `weak` still have a stored event placed on them, besides `moved`.
    func placing(
        _ weak: [IdentifierID], besides moved: [EventID], in transaction: PostgresTransaction
    ) async throws -> Set<IdentifierID> {
        guard !weak.isEmpty else { return [] }
        return Set(
            try await transaction.run(
                """
                select id from unnest(\(weak)) as asked (id)
                where exists (
                    select from customer_raw_event r where r.placed_on = asked.id and r.id <> all(\(moved)))
                """
            ).decode(IdentifierID.self))
    }
}
