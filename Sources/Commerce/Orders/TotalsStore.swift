import Contract
import Kernel
import Postgres

/// Reads the brand's totals, which are kept as they change.
public struct TotalsStore: Sendable {
    /// The totals at one instant.
    public struct Totals: Sendable {
        public let events: Int64
        public let profiles: Int64
        /// Orders of all currencies that are not cancelled.
        public let orders: Int64
        /// What orders are worth, by currency, as decimals with at least two places.
        public let revenue: [String: String]
        /// What those with a rate are worth together, in the brand's currency.
        public let converted: String
        /// How many orders have no rate, by currency; only those currencies.
        public let withoutRate: [String: Int64]
    }

    private let database: PostgresPool

    public init(database: PostgresPool) { self.database = database }

    /// One row, and one for each currency: the same cost at any size.
    public func totals() async throws -> Totals {
        let rows = try await database.run(
            """
            select t.events, t.profiles, o.currency, o.orders,
                   round(o.revenue, greatest(2, min_scale(o.revenue)))::text, o.without_rate, (
                       select round(sum, greatest(2, min_scale(sum)))::text
                       from (select coalesce(sum(converted), 0) as sum from order_totals) as converted)
            from brand_totals t left join order_totals o on true
            """
        ).decode((Int64, Int64, String?, Int64?, String?, Int64?, String).self)
        var revenue: [String: String] = [:]
        var withoutRate: [String: Int64] = [:]
        for (_, _, currency, _, value, count, _) in rows {
            guard let currency else { continue }
            revenue[currency] = value
            if let count, count > 0 { withoutRate[currency] = count }
        }
        return Totals(
            events: rows.first?.0 ?? 0, profiles: rows.first?.1 ?? 0,
            orders: rows.reduce(0) { $0 + ($1.3 ?? 0) }, revenue: revenue,
            converted: rows.first?.6 ?? "0.00", withoutRate: withoutRate)
    }
}
