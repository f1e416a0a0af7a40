import Contract
import Events
import Kernel
import Postgres

/// What a batch changes in the sums over orders, for one profile (nil: guests) and one currency.
struct OrderChange: Sendable {
    let profile: ProfileID?
    let currency: String
    /// Orders that are not cancelled.
    let orders: Int64
    /// A decimal literal: a sum may be larger than any one amount.
    let value: String
    /// What of `value` has a rate, in the brand's currency.
    let converted: String
    /// Orders that have none.
    let withoutRate: Int64
}

/// The table of orders, and the sums over it.
struct OrderStore {
    /// The table that versions are entered into: that of orders, or one like it.
    var table: SQL = "customer_order"
    /// The table of refunds and cancellations that belongs to it.
    var adjustments: SQL = "order_adjustment"

    /// Enters versions of orders: each order keeps its newest version, and the place of the newest that has
    /// one.
    ///
    /// The sums change by what each order counts for now less what it counted for before, so entering a
    /// version again changes nothing.
    ///
    /// - Parameter currency: the brand's.
    func apply(
        _ versions: [OrderVersion], currency: String, in transaction: PostgresTransaction
    ) async throws -> [OrderChange] {
        guard !versions.isEmpty else { return [] }
        return try OrderStore.changes(
            try await transaction.run(
                OrderStore.sent(versions) + sorted + upsert(currency) + OrderStore.counted))
    }

    /// The versions as the rows of `sent`.
    static func sent(_ versions: [OrderVersion]) -> SQL {
        let events = versions.map(\.placed.event)
        let purchases = versions.map(\.purchase)
        return """
            with sent as (
                select id, event_id, source, known_by, order_id, ordered_at, channel, total, currency, items,
                       stated_refunded, stated_cancelled, placed_on, profile_id,
                       row(kind, number::numeric, label, ordered_at, event_key)::order_version as version
                from unnest(
                    \(versions.map(\.id)), \(versions.map(\.placed.id)), \(events.map(\.source)),
                    \(versions.map(\.knownBy)), \(versions.map(\.orderID)), \(events.map(\.occurredAt)),
                    \(events.map(\.channel)), \(purchases.map(\.total)), \(versions.map(\.currency)),
                    \(purchases.map { $0.items.map { JSONB(bytes: $0) } }),
                    \(purchases.map(\.refunded)), \(purchases.map(\.isCancelled)),
                    \(versions.map { $0.placed.placement?.identifier }),
                    \(versions.map { $0.placed.placement?.profile }), \(purchases.map(\.version.kindCode)),
                    \(purchases.map(\.version.numberLiteral)), \(purchases.map(\.version.label)),
                    \(events.map(\.key)))
                as sent (id, event_id, source, known_by, order_id, ordered_at, channel, total, currency,
                         items, stated_refunded, stated_cancelled, placed_on, profile_id, kind, number, label,
                         event_key)
            ),
            """
    }

    /// What refunds and cancellations say of `order`, a row with its source, its seller's id and its
    /// currency.
    func adjusted(_ order: SQL) -> SQL {
        """
        select coalesce(sum(a.amount) filter (where coalesce(a.currency, \(order).currency)
                   = \(order).currency), 0) as refunded,
               coalesce(bool_or(a.kind = 'cancellation'), false) as cancelled
        from \(adjustments) a
        where a.source = \(order).source and a.order_id = \(order).order_id
          and \(order).known_by = 'order'
        """
    }

    /// Of each order that was sent: its newest version, the newest that has a place, and the order as it is.
    private var sorted: SQL {
        """
        newest as (
            select distinct on (source, known_by, order_id) *,
                   min(ordered_at) over (partition by source, known_by, order_id) as first_at
            from sent order by source, known_by, order_id, version desc
        ),
        placed as (
            select distinct on (source, known_by, order_id)
                   source, known_by, order_id, version as place_version, placed_on, profile_id
            from sent where placed_on is not null
            order by source, known_by, order_id, version desc
        ),
        before as (
            select o.* from \(table) o join newest using (source, known_by, order_id)
        ),
        """
    }

    private func upsert(_ currency: String) -> SQL {
        """
        after as (
            insert into \(table) as o
                (id, source, known_by, order_id, version, event_id, ordered_at, channel, total, currency,
                 items, stated_refunded, stated_cancelled, event_refunded, event_cancelled, rate,
                 place_version, placed_on, profile_id, created_at, updated_at)
            select n.id, source, known_by, order_id, n.version, n.event_id, n.first_at, n.channel, n.total,
                   n.currency, n.items, n.stated_refunded, n.stated_cancelled, a.refunded, a.cancelled,
                   rate_on(n.currency, n.first_at, \(currency)), p.place_version, p.placed_on,
                   p.profile_id, now(), now()
            from newest n left join placed p using (source, known_by, order_id)
            cross join lateral (\(adjusted("n"))) a
            on conflict (source, known_by, order_id) do update set
                (version, event_id, channel, total, currency, items, stated_refunded, stated_cancelled,
                 event_refunded) = (
                    select v.version, v.event_id, v.channel, v.total, v.currency, v.items, v.stated_refunded,
                           v.stated_cancelled, v.event_refunded
                    from (values
                        (o.version, o.event_id, o.channel, o.total, o.currency, o.items, o.stated_refunded,
                         o.stated_cancelled, o.event_refunded),
                        (excluded.version, excluded.event_id, excluded.channel, excluded.total,
                         excluded.currency, excluded.items, excluded.stated_refunded,
                         excluded.stated_cancelled, excluded.event_refunded)
                    ) as v (version, event_id, channel, total, currency, items, stated_refunded,
                            stated_cancelled, event_refunded)
                    order by v.version desc limit 1),
                ordered_at = least(o.ordered_at, excluded.ordered_at),
                rate = rate_on(
                    case when o.version > excluded.version then o.currency else excluded.currency end,
                    least(o.ordered_at, excluded.ordered_at), \(currency)),
                (place_version, placed_on, profile_id) = (
                    select v.place_version, v.placed_on, v.profile_id
                    from (values
                        (o.place_version, o.placed_on, o.profile_id),
                        (excluded.place_version, excluded.placed_on, excluded.profile_id)
                    ) as v (place_version, placed_on, profile_id)
                    order by v.place_version desc nulls last limit 1),
                updated_at = now()
            returning o.*
        )
        """
    }

    /// What the sums change by, of the rows of orders `before` and `after` a statement.
    static let counted: SQL = """
        select profile_id, currency, sum(orders)::bigint as sum_orders, sum(value)::text as sum_value,
               sum(converted)::text as sum_converted, sum(without_rate)::bigint as sum_without_rate
        from (
            select profile_id, currency, (not is_cancelled)::int as orders, value,
                   coalesce(brand_value, 0) as converted,
                   (rate is null and not is_cancelled)::int as without_rate
            from after
            union all
            select profile_id, currency, -(not is_cancelled)::int, -value, -coalesce(brand_value, 0),
                   -(rate is null and not is_cancelled)::int
            from before
        ) as counted
        group by profile_id, currency
        having sum(orders) <> 0 or sum(value) <> 0 or sum(converted) <> 0 or sum(without_rate) <> 0
        """

    /// Reads what `counted` gives.
    static func changes(_ rows: PostgresRows) throws -> [OrderChange] {
        try rows.map { row in
            let (profile, currency, orders, value, converted, withoutRate) = try row.decode(
                (ProfileID?, String, Int64, String, String, Int64).self)
            return OrderChange(
                profile: profile, currency: currency, orders: orders, value: value, converted: converted,
                withoutRate: withoutRate)
        }
    }

    /// Reads the same behind the number of orders that were looked at; without a currency there is no change.
    static func repriced(_ rows: PostgresRows) throws -> (orders: Int64, changes: [OrderChange]) {
        var count: Int64 = 0
        var changes: [OrderChange] = []
        for row in rows {
            let (orders, profile, currency, sum, value, converted, withoutRate) = try row.decode(
                (Int64, ProfileID?, String?, Int64, String, String, Int64).self)
            count = orders
            guard let currency else { continue }
            changes.append(
                OrderChange(
                    profile: profile, currency: currency, orders: sum, value: value, converted: converted,
                    withoutRate: withoutRate))
        }
        return (count, changes)
    }

    /// Adds changes to the brand's totals and to the profiles that have the orders.
    func add(_ changes: [OrderChange], in transaction: PostgresTransaction) async throws {
        try await addToTotals(changes, in: transaction)
        try await addToProfiles(changes, in: transaction)
    }

    /// One row for each currency.
    private func addToTotals(_ changes: [OrderChange], in transaction: PostgresTransaction) async throws {
        guard !changes.isEmpty else { return }
        try await transaction.run(
            """
            insert into order_totals as t (currency, orders, revenue, converted, without_rate)
            select currency, sum(orders), sum(value::numeric), sum(converted::numeric), sum(without_rate)
            from unnest(\(changes.map(\.currency)), \(changes.map(\.orders)), \(changes.map(\.value)),
                        \(changes.map(\.converted)), \(changes.map(\.withoutRate)))
                as changed (currency, orders, value, converted, without_rate)
            group by currency order by currency
            on conflict (currency) do update
            set orders = t.orders + excluded.orders, revenue = t.revenue + excluded.revenue,
                converted = t.converted + excluded.converted,
                without_rate = t.without_rate + excluded.without_rate
            """)
    }

    /// Every order that is not cancelled counts, and those that have a rate make the lifetime value.
    private func addToProfiles(
        _ changes: [OrderChange], in transaction: PostgresTransaction
    ) async throws {
        let changes = changes.filter { $0.profile != nil }
        guard !changes.isEmpty else { return }
        try await transaction.run(
            """
            update customer_profile
            set total_orders = total_orders + changed.orders, lifetime_value = lifetime_value + changed.value,
                updated_at = now()
            from (
                select profile, sum(orders)::integer as orders, sum(converted::numeric) as value
                from unnest(\(changes.map(\.profile)), \(changes.map(\.orders)),
                            \(changes.map(\.converted))) as sent (profile, orders, converted)
                group by profile
            ) as changed
            where customer_profile.id = changed.profile
            """)
    }
}
