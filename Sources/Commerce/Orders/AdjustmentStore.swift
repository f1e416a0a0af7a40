import Contract
import Events
import Kernel
import Postgres

/// What changes orders besides their versions: refunds, cancellations and rates.
extension OrderStore {
    /// Enters all that orders are made of among `events`, in any order, and gives what the sums change by.
    ///
    /// - Parameter currency: the brand's.
    func enter(
        _ events: [PlacedEvent], currency: String, in transaction: PostgresTransaction
    ) async throws -> [OrderChange] {
        let versions = try events.filter { $0.event.type == .purchase }
            .map { try OrderVersion($0, brandCurrency: currency) }
        let adjustments = try events.filter { $0.event.type.isAboutOrder && $0.event.type != .purchase }
            .map { try Adjustment($0) }
        // First, so that a new order finds what came before it.
        try await enter(adjustments, in: transaction)
        return try await apply(versions, currency: currency, in: transaction)
            + settle(adjustments, in: transaction)
    }

    /// Keeps the newest version of each refund and cancellation.
    private func enter(_ adjustments: [Adjustment], in transaction: PostgresTransaction) async throws {
        guard !adjustments.isEmpty else { return }
        let (events, said) = (adjustments.map(\.placed.event), adjustments.map(\.said))
        try await transaction.run(
            """
            insert into \(self.adjustments) as a
                (source, order_id, kind, known_by, adjustment_id, version, event_id, amount, currency,
                 adjusted_at)
            select distinct on (source, order_id, kind, known_by, adjustment_id)
                   source, order_id, kind, known_by, adjustment_id,
                   row(version_kind, number::numeric, label, adjusted_at, event_key)::order_version
                       as version,
                   event_id, coalesce(amount, 0), currency, adjusted_at
            from unnest(
                \(events.map(\.source)), \(said.map(\.orderID)), \(said.map(\.type.rawValue)),
                \(adjustments.map(\.knownBy)), \(adjustments.map(\.adjustmentID)),
                \(said.map(\.version.kindCode)), \(said.map(\.version.numberLiteral)),
                \(said.map(\.version.label)), \(events.map(\.key)), \(adjustments.map(\.placed.id)),
                \(said.map(\.amount)), \(said.map { $0.currency?.code }), \(events.map(\.occurredAt)))
                as sent (source, order_id, kind, known_by, adjustment_id, version_kind, number, label,
                         event_key, event_id, amount, currency, adjusted_at)
            order by source, order_id, kind, known_by, adjustment_id, version desc
            on conflict (source, order_id, kind, known_by, adjustment_id) do update
            set version = excluded.version, event_id = excluded.event_id, amount = excluded.amount,
                currency = excluded.currency, adjusted_at = excluded.adjusted_at
            where excluded.version > a.version
            """)
    }

    /// Has the orders of refunds and cancellations say what these say by now.
    private func settle(
        _ adjustments: [Adjustment], in transaction: PostgresTransaction
    ) async throws -> [OrderChange] {
        guard !adjustments.isEmpty else { return [] }
        let rows = try await transaction.run(
            """
            with before as (
                select o.* from \(table) o
                where o.known_by = 'order' and (o.source, o.order_id) in (
                    select * from unnest(\(adjustments.map(\.placed.event.source)),
                                         \(adjustments.map(\.said.orderID))))
            ),
            after as (
                update \(table) o
                set (event_refunded, event_cancelled) = (\(adjusted("o"))), updated_at = now()
                from before b where o.id = b.id
                returning o.*
            )
            """ + OrderStore.counted)
        return try OrderStore.changes(rows)
    }

    /// Has every order that counts at another rate by now count at it; for changed rates of `currencies`
    /// between two days. Gives how many orders these are, and what the sums change by.
    func price(
        _ currencies: Set<String>, from first: Day, through last: Day, currency: String,
        in transaction: PostgresTransaction
    ) async throws -> (orders: Int64, changes: [OrderChange]) {
        guard !currencies.isEmpty else { return (0, []) }
        let repriced: SQL = """
            select o.* from \(table) o
            where o.currency = any(\(currencies.sorted()))
              and o.ordered_at >= \(first.description)::date::timestamp at time zone 'UTC'
              and o.ordered_at < (\(last.description)::date + \(RateStore.reachDays)::int)::timestamp
                      at time zone 'UTC'
              and o.rate is distinct from rate_on(o.currency, o.ordered_at, \(currency))
            """
        // It may be about every order of years, and commits wait for it.
        try await transaction.run("set local statement_timeout = '10min'")
        let rows = try await transaction.run(
            """
            with before as (\(repriced)),
            after as (
                update \(table) o
                set rate = rate_on(o.currency, o.ordered_at, \(currency)), updated_at = now()
                from before b where o.id = b.id
                returning o.*
            ),
            summed as (\(OrderStore.counted))
            select repriced.orders, profile_id, currency, coalesce(sum_orders, 0), coalesce(sum_value, '0'),
                   coalesce(sum_converted, '0'), coalesce(sum_without_rate, 0)
            from (select count(*) as orders from after) as repriced left join summed on true
            """)
        return try OrderStore.repriced(rows)
    }
}
