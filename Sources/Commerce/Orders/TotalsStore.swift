import Contract
import Kernel
import Postgres

/// Reads the brand's totals, which are kept as they change.
public struct TotalsStore: Sendable {
    /// The totals at one instant.
    public struct Totals: Sendable {
        public let events: Int64
        public let profiles: Int64
        /// Orders of all currencies.
        public let orders: Int64
        /// What orders are worth, by currency, as decimals with at least two places.
        public let revenue: [String: String]
    }

    private let database: PostgresPool

    public init(database: PostgresPool) { self.database = database }

    /// One row, and one for each currency: the same cost at any size.
    public func totals() async throws -> Totals {
        let rows = try await database.run(
            """
            select t.events, t.profiles, o.currency, o.orders,
                   round(o.revenue, greatest(2, min_scale(o.revenue)))::text
            from brand_totals t left join order_totals o on true
            """
        ).decode((Int64, Int64, String?, Int64?, String?).self)
        var revenue: [String: String] = [:]
        for (_, _, currency, _, value) in rows {
            if let currency, let value { revenue[currency] = value }
        }
        return Totals(
            events: rows.first?.0 ?? 0, profiles: rows.first?.1 ?? 0,
            orders: rows.reduce(0) { $0 + ($1.3 ?? 0) }, revenue: revenue)
    }
}
