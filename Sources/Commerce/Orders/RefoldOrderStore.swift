import Contract
import Customers
import Events
import Kernel
import Postgres

/// Makes all orders anew from their purchases, refunds and cancellations in scratch tables of the
/// transaction, by the rules of every batch, and compares.
package struct RefoldOrderStore {
    private let store = OrderStore(table: "refold_order", adjustments: "refold_adjustment")

    package init() {}

    /// Makes the scratch tables; they go with the transaction.
    package func prepare(in transaction: PostgresTransaction) async throws {
        try await transaction.run(all: [
            """
            create temporary table refold_order (
                like customer_order including generated, unique (source, known_by, order_id)
            ) on commit drop
            """,
            "create temporary table refold_adjustment (like order_adjustment including all) on commit drop",
        ])
    }

    /// Enters what orders are made of, in any order and any number of parts.
    package func enter(
        _ events: [PlacedEvent], currency: String, in transaction: PostgresTransaction
    ) async throws {
        _ = try await store.enter(events, currency: currency, in: transaction)
    }

    /// In the order in which they are corrected.
    package static var checks: [RefoldCheck] { [adjustments, orders, totals] }

    private static var adjustments: RefoldCheck {
        let key: SQL = "source, order_id, kind, known_by, adjustment_id"
        let isSame: SQL = """
            (f.source, f.order_id, f.kind, f.known_by, f.adjustment_id)
                = (a.source, a.order_id, a.kind, a.known_by, a.adjustment_id)
            """
        let says: (SQL) -> SQL = { row in
            """
            coalesce((\(row)).amount || ' ' || coalesce((\(row)).currency, 'of its order''s currency')
                || ' of event ' || (\(row)).event_id, 'not there')
            """
        }
        return RefoldCheck(
            "adjustment",
            difference: """
                select source, order_id, kind, adjustment_id, a as is, f as should
                from order_adjustment a full join refold_adjustment f using (\(key))
                where a is distinct from f
                """,
            words: """
                'the ' || kind || ' ' || adjustment_id || ' of the order ' || order_id || ' of ' || source
                    || ' is ' || \(says("shown.is")) || '; should be ' || \(says("should"))
                """,
            corrections: [
                """
                delete from order_adjustment a
                where not exists (
                    select from refold_adjustment f where \(isSame) and f is not distinct from a)
                """,
                """
                insert into order_adjustment
                select * from refold_adjustment f
                where not exists (select from order_adjustment a where \(isSame))
                """,
            ])
    }

    /// What of an order is made of events and rates, in the order of the table.
    private static let columns: SQL = """
        version, event_id, ordered_at, channel, total, currency, items, stated_refunded, stated_cancelled,
        event_refunded, event_cancelled, rate, place_version, placed_on, profile_id
        """

    private static var orders: RefoldCheck {
        let made: (SQL) -> SQL = { table in
            """
            (\(table).version, \(table).event_id, \(table).ordered_at, \(table).channel, \(table).total,
             \(table).currency, \(table).items, \(table).stated_refunded, \(table).stated_cancelled,
             \(table).event_refunded, \(table).event_cancelled, \(table).rate, \(table).place_version,
             \(table).placed_on, \(table).profile_id)
            """
        }
        let differs: SQL = "\(made("o")) is distinct from \(made("f"))"
        let says: (SQL) -> SQL = { row in
            """
            coalesce((\(row)).total || ' ' || (\(row)).currency
                || case when (\(row)).is_cancelled then ' (cancelled)' else '' end
                || case when (\(row)).refunded <> 0 then ' less ' || (\(row)).refunded else '' end
                || ' at ' || \(RefoldCheck.value("(\(row)).rate")) || ' of event ' || (\(row)).event_id
                || ' on ' || \(RefoldCheck.identifier("(\(row)).placed_on")) || ' in the profile '
                || \(RefoldCheck.value("(\(row)).profile_id")), 'not there')
            """
        }
        return RefoldCheck(
            "order",
            difference: """
                select source, order_id, known_by, o as is, f as should
                from customer_order o full join refold_order f using (source, known_by, order_id)
                where o.id is null or f.id is null or \(differs)
                """,
            words: """
                'the order ' || order_id || ' of ' || source || ' is ' || \(says("shown.is"))
                    || '; should be ' || \(says("should"))
                """,
            corrections: [
                """
                delete from customer_order o
                where not exists (
                    select from refold_order f
                    where (f.source, f.known_by, f.order_id) = (o.source, o.known_by, o.order_id))
                """,
                """
                update customer_order o
                set (\(columns)) = \(made("f")), updated_at = now()
                from refold_order f
                where (f.source, f.known_by, f.order_id) = (o.source, o.known_by, o.order_id) and \(differs)
                """,
                """
                insert into customer_order
                    (id, source, known_by, order_id, \(columns), created_at, updated_at)
                select id, source, known_by, order_id, \(columns), created_at, updated_at from refold_order f
                where not exists (
                    select from customer_order o
                    where (f.source, f.known_by, f.order_id) = (o.source, o.known_by, o.order_id))
                """,
            ])
    }

    /// A currency whose orders have all left may be there with nothing, or not.
    private static var totals: RefoldCheck {
        let counted: SQL = """
            (select currency, count(*) filter (where not is_cancelled) as orders, sum(value) as revenue,
                    coalesce(sum(brand_value), 0) as converted,
                    count(*) filter (where rate is null and not is_cancelled) as without_rate
             from refold_order group by currency)
            """
        return RefoldCheck(
            "order totals",
            difference: """
                select currency, \(says("t")) as is, \(says("f")) as should
                from order_totals t full join \(counted) f using (currency)
                where (coalesce(t.orders, 0), coalesce(t.revenue, 0), coalesce(t.converted, 0),
                       coalesce(t.without_rate, 0))
                    is distinct from (coalesce(f.orders, 0), coalesce(f.revenue, 0), coalesce(f.converted, 0),
                                      coalesce(f.without_rate, 0))
                """,
            words: "'orders in ' || currency || ' are ' || shown.is || ', should be ' || should",
            corrections: [
                "delete from order_totals",
                """
                insert into order_totals (currency, orders, revenue, converted, without_rate)
                select * from \(counted) f
                """,
            ])
    }

    private static func says(_ sums: SQL) -> SQL {
        """
        coalesce(\(sums).orders, 0) || ' with ' || coalesce(\(sums).revenue, 0) || ' worth '
            || coalesce(\(sums).converted, 0) || ', ' || coalesce(\(sums).without_rate, 0)
            || ' without a rate'
        """
    }
}
