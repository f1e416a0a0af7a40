import Contract
import Events
import Kernel
import Postgres

/// What a batch changes in the sums over orders, for one profile (nil: guests) and one currency.
struct OrderChange: Sendable {
    let profile: ProfileID?
    let currency: String
    let orders: Int64
    /// A decimal literal: a sum may be larger than any one amount.
    let value: String
}

/// The table of orders, and the sums over it.
struct OrderStore {
    /// The table that versions are entered into: that of orders, or one like it.
    var table: SQL = "customer_order"

    /// Enters versions of orders: each order keeps its newest version, and the place of the newest that has
    /// one.
    ///
    /// The sums change by what each order counts for now less what it counted for before, so entering a
    /// version again changes nothing.
    func apply(
        _ versions: [OrderVersion], in transaction: PostgresTransaction
    ) async throws -> [OrderChange] {
        let rows = try await transaction.run(OrderStore.sent(versions) + upsert)
        return try rows.map { row in
            let (profile, currency, orders, value) = try row.decode(
                (ProfileID?, String, Int64, String).self)
            return OrderChange(profile: profile, currency: currency, orders: orders, value: value)
        }
    }

    /// The versions as the rows of `sent`.
    static func sent(_ versions: [OrderVersion]) -> SQL {
        let events = versions.map(\.placed.event)
        return """
            with sent as (
                select id, event_id, source, known_by, order_id, ordered_at, channel, total, currency, items,
                       placed_on, profile_id,
                       row(kind, number::numeric, label, ordered_at, event_key)::order_version as version
                from unnest(
                    \(versions.map(\.id)), \(versions.map(\.placed.id)), \(events.map(\.source)),
                    \(versions.map(\.knownBy)), \(versions.map(\.orderID)), \(events.map(\.occurredAt)),
                    \(events.map(\.channel)), \(versions.map(\.purchase.total)), \(versions.map(\.currency)),
                    \(versions.map { $0.purchase.items.map { JSONB(bytes: $0) } }),
                    \(versions.map { $0.placed.placement?.identifier }),
                    \(versions.map { $0.placed.placement?.profile }), \(versions.map(\.versionKind)),
                    \(versions.map(\.versionNumber)), \(versions.map(\.versionLabel)), \(events.map(\.key)))
                as sent (id, event_id, source, known_by, order_id, ordered_at, channel, total, currency,
                         items, placed_on, profile_id, kind, number, label, event_key)
            ),
            """
    }

    private var upsert: SQL {
        """
        newest as (
            select distinct on (source, known_by, order_id) * from sent
            order by source, known_by, order_id, version desc
        ),
        placed as (
            select distinct on (source, known_by, order_id)
                   source, known_by, order_id, version as place_version, placed_on, profile_id
            from sent where placed_on is not null
            order by source, known_by, order_id, version desc
        ),
        before as (
            select o.source, o.known_by, o.order_id, o.profile_id, o.currency, o.total
            from \(table) o join newest using (source, known_by, order_id)
        ),
        after as (
            insert into \(table) as o
                (id, source, known_by, order_id, version, event_id, ordered_at, channel, total, currency,
                 items, place_version, placed_on, profile_id, created_at, updated_at)
            select n.id, source, known_by, order_id, n.version, n.event_id, n.ordered_at, n.channel, n.total,
                   n.currency, n.items, p.place_version, p.placed_on, p.profile_id, now(), now()
            from newest n left join placed p using (source, known_by, order_id)
            on conflict (source, known_by, order_id) do update set
                (version, event_id, ordered_at, channel, total, currency, items) = (
                    select v.version, v.event_id, v.ordered_at, v.channel, v.total, v.currency, v.items
                    from (values
                        (o.version, o.event_id, o.ordered_at, o.channel, o.total, o.currency, o.items),
                        (excluded.version, excluded.event_id, excluded.ordered_at, excluded.channel,
                         excluded.total, excluded.currency, excluded.items)
                    ) as v (version, event_id, ordered_at, channel, total, currency, items)
                    order by v.version desc limit 1),
                (place_version, placed_on, profile_id) = (
                    select v.place_version, v.placed_on, v.profile_id
                    from (values
                        (o.place_version, o.placed_on, o.profile_id),
                        (excluded.place_version, excluded.placed_on, excluded.profile_id)
                    ) as v (place_version, placed_on, profile_id)
                    order by v.place_version desc nulls last limit 1),
                updated_at = now()
            returning o.source, o.known_by, o.order_id, o.profile_id, o.currency, o.total
        )
        select profile_id, currency, sum(orders)::bigint, sum(value)::text
        from (
            select profile_id, currency, 1 as orders, total as value from after
            union all
            select profile_id, currency, -1, -total from before
        ) as counted
        group by profile_id, currency
        having sum(orders) <> 0 or sum(value) <> 0
        """
    }

    /// Adds changes to the brand's totals, one row for each currency.
    func addToTotals(_ changes: [OrderChange], in transaction: PostgresTransaction) async throws {
        guard !changes.isEmpty else { return }
        try await transaction.run(
            """
            insert into order_totals as t (currency, orders, revenue)
            select currency, sum(orders), sum(value::numeric)
            from unnest(\(changes.map(\.currency)), \(changes.map(\.orders)), \(changes.map(\.value)))
                as changed (currency, orders, value)
            group by currency order by currency
            on conflict (currency) do update
            set orders = t.orders + excluded.orders, revenue = t.revenue + excluded.revenue
            """)
    }

    /// Adds changes to the profiles: every order counts, and those in `currency` make the lifetime value.
    func addToProfiles(
        _ changes: [OrderChange], currency: String, in transaction: PostgresTransaction
    ) async throws {
        let changes = changes.filter { $0.profile != nil }
        guard !changes.isEmpty else { return }
        try await transaction.run(
            """
            update customer_profile
            set total_orders = total_orders + changed.orders, lifetime_value = lifetime_value + changed.value,
                updated_at = now()
            from (
                select profile, sum(orders)::integer as orders,
                       coalesce(sum(value::numeric) filter (where currency = \(currency)), 0) as value
                from unnest(\(changes.map(\.profile)), \(changes.map(\.currency)), \(changes.map(\.orders)),
                            \(changes.map(\.value))) as sent (profile, currency, orders, value)
                group by profile
            ) as changed
            where customer_profile.id = changed.profile
            """)
    }
}
