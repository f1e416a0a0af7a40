import Contract
import Customers
import Events
import Kernel
import Postgres

/// Makes all orders anew from their purchases in a scratch table of the transaction, by the rules of every
/// batch, and compares.
package struct RefoldOrderStore {
    private let store = OrderStore(table: "refold_order")

    package init() {}

    /// Makes the scratch table; it goes with the transaction.
    package func prepare(in transaction: PostgresTransaction) async throws {
        try await transaction.run(
            """
            create temporary table refold_order (
                like customer_order, unique (source, known_by, order_id)
            ) on commit drop
            """)
    }

    /// Enters purchases, in any order and any number of parts.
    package func enter(
        _ purchases: [PlacedEvent], currency: String, in transaction: PostgresTransaction
    ) async throws {
        guard !purchases.isEmpty else { return }
        let versions = try purchases.map { try OrderVersion($0, brandCurrency: currency) }
        _ = try await store.apply(versions, in: transaction)
    }

    /// In the order in which they are corrected.
    package static var checks: [RefoldCheck] { [orders, totals] }

    private static var orders: RefoldCheck {
        let differs: SQL = """
            (o.version, o.event_id, o.ordered_at, o.channel, o.total, o.currency, o.items, o.place_version,
             o.placed_on, o.profile_id)
            is distinct from
            (f.version, f.event_id, f.ordered_at, f.channel, f.total, f.currency, f.items, f.place_version,
             f.placed_on, f.profile_id)
            """
        let says: (SQL) -> SQL = { row in
            """
            coalesce((\(row)).total || ' ' || (\(row)).currency || ' of event ' || (\(row)).event_id
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
                set version = f.version, event_id = f.event_id, ordered_at = f.ordered_at,
                    channel = f.channel, total = f.total, currency = f.currency, items = f.items,
                    place_version = f.place_version, placed_on = f.placed_on, profile_id = f.profile_id,
                    updated_at = now()
                from refold_order f
                where (f.source, f.known_by, f.order_id) = (o.source, o.known_by, o.order_id) and \(differs)
                """,
                """
                insert into customer_order
                select * from refold_order f
                where not exists (
                    select from customer_order o
                    where (f.source, f.known_by, f.order_id) = (o.source, o.known_by, o.order_id))
                """,
            ])
    }

    /// A currency whose orders have all left may be there with nothing, or not.
    private static var totals: RefoldCheck {
        let counted: SQL = """
            (select currency, count(*) as orders, sum(total) as revenue from refold_order group by currency)
            """
        return RefoldCheck(
            "order totals",
            difference: """
                select currency, t.orders, t.revenue, f.orders as should_orders, f.revenue as should_revenue
                from order_totals t full join \(counted) f using (currency)
                where (coalesce(t.orders, 0), coalesce(t.revenue, 0))
                    is distinct from (coalesce(f.orders, 0), coalesce(f.revenue, 0))
                """,
            words: """
                'orders in ' || currency || ' are ' || coalesce(orders, 0) || ' with '
                    || coalesce(revenue, 0) || ', should be ' || coalesce(should_orders, 0) || ' with '
                    || coalesce(should_revenue, 0)
                """,
            corrections: [
                "delete from order_totals",
                "insert into order_totals (currency, orders, revenue) select * from \(counted) f",
            ])
    }
}
