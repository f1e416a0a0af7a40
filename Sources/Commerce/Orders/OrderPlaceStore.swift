import Contract
import Events
import Kernel
import Postgres

/// Where orders are placed, when identity has changed its mind about identifiers or events.
extension OrderStore {
    /// Takes orders with the identifiers that they are placed on, where those have come into another profile.
    func follow(
        _ moved: [IdentifierID: ProfileID], in transaction: PostgresTransaction
    ) async throws {
        guard !moved.isEmpty else { return }
        let moved = moved.sorted { $0.key < $1.key }
        try await transaction.run(
            """
            update customer_order set profile_id = moved.profile
            from unnest(\(moved.map(\.key)), \(moved.map(\.value))) as moved (identifier, profile)
            where placed_on = moved.identifier and profile_id is distinct from moved.profile
            """)
    }

    /// Places the orders of events that were placed anew: where the newest version with a place is placed.
    /// Gives the profiles that have lost or gained an order.
    func replace(
        _ replaced: [IdentityChange.Replaced], in transaction: PostgresTransaction
    ) async throws -> Set<ProfileID> {
        guard !replaced.isEmpty else { return [] }
        let events = try await versions(
            ofOrdersOf: replaced.map { ($0.id, $0.receivedAt) }, in: transaction)
        guard !events.isEmpty else { return [] }
        let rows = try await transaction.run(
            OrderStore.sent(events) + """
                placed as (
                    select distinct on (source, known_by, order_id)
                           source, known_by, order_id, placed_on, profile_id,
                           case when placed_on is not null then version end as place_version
                    from sent
                    order by source, known_by, order_id, placed_on is null, version desc
                ),
                before as (
                    select o.id, o.profile_id from customer_order o
                    join placed using (source, known_by, order_id)
                )
                update customer_order o
                set place_version = p.place_version, placed_on = p.placed_on, profile_id = p.profile_id,
                    updated_at = now()
                from placed p, before b
                where o.source = p.source and o.known_by = p.known_by and o.order_id = p.order_id
                  and b.id = o.id
                returning b.profile_id, o.profile_id
                """
        ).decode((ProfileID?, ProfileID?).self)
        return Set(rows.filter { $0 != $1 }.flatMap { [$0, $1].compactMap { $0 } })
    }

    /// All versions of the orders that any of `events` is a version of.
    private func versions(
        ofOrdersOf events: [(id: EventID, receivedAt: Timestamp)], in transaction: PostgresTransaction
    ) async throws -> [OrderVersion] {
        let rows = try await transaction.run(
            """
            with named as (
                select distinct r.source, r.payload #>> '{properties,orderId}' as order_id
                from unnest(\(events.map(\.id)), \(events.map(\.receivedAt))) as e (id, received_at)
                join customer_raw_event r on r.id = e.id and r.created_at = e.received_at
                where r.event_type = 'purchase' and r.payload #>> '{properties,orderId}' is not null
            )
            select r.id, r.created_at, r.occurred_at, r.source, r.event_key, r.channel,
                   (r.payload -> 'properties')::text, r.placed_on, r.customer_profile_id
            from named n join customer_raw_event r
                on r.source = n.source and r.payload #>> '{properties,orderId}' = n.order_id
                and r.event_type = 'purchase' and not r.test
            union all
            select r.id, r.created_at, r.occurred_at, r.source, r.event_key, r.channel,
                   (r.payload -> 'properties')::text, r.placed_on, r.customer_profile_id
            from unnest(\(events.map(\.id)), \(events.map(\.receivedAt))) as e (id, received_at)
            join customer_raw_event r on r.id = e.id and r.created_at = e.received_at
            where r.event_type = 'purchase' and r.payload #>> '{properties,orderId}' is null
            """)
        return try rows.map { row in
            let (id, receivedAt, occurredAt, source, key, channel, properties, placedOn, profile) =
                try row.decode(
                    (
                        EventID, Timestamp, Timestamp, String, String, String, String, IdentifierID?,
                        ProfileID?
                    ).self)
            let event = Event(
                source: source, key: key, type: .purchase, occurredAt: occurredAt, receivedAt: receivedAt,
                channel: channel, identifiers: [], properties: Array(properties.utf8), isTest: false)
            var placement: Placement?
            if let placedOn, let profile { placement = Placement(identifier: placedOn, profile: profile) }
            // The currency plays no part in where an order is placed.
            return try OrderVersion(
                PlacedEvent(id: id, event: event, placement: placement), brandCurrency: "USD")
        }
    }

    /// Derives anew what profiles have ordered, from all orders that are placed on them.
    func derive(of profiles: Set<ProfileID>, in transaction: PostgresTransaction) async throws {
        guard !profiles.isEmpty else { return }
        try await transaction.run(
            """
            update customer_profile p
            set (total_orders, lifetime_value) = (
                    select count(*) filter (where not o.is_cancelled), coalesce(sum(o.brand_value), 0)
                    from customer_order o where o.profile_id = p.id),
                updated_at = now()
            where p.id = any(\(profiles.sorted()))
            """)
    }
}
