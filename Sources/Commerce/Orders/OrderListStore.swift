import Contract
import Kernel
import Postgres

/// Reads orders as the JSON documents of the API.
public struct OrderListStore: Sendable {
    /// What a list of orders may be narrowed to.
    public struct Filter: Sendable {
        public var profile: ProfileID?
        /// The seller's id.
        public var orderID: String?
        /// Only those that are left out of the revenue, since there is no rate for their day.
        public var isWithoutRate = false

        public init() {}
    }

    private let database: PostgresPool

    public init(database: PostgresPool) { self.database = database }

    /// An amount as the API shows it.
    static func amount(_ expression: SQL) -> SQL {
        "round(\(expression), greatest(2, min_scale(\(expression))))::text"
    }

    /// An instant as the API shows it.
    static func instant(_ expression: SQL) -> SQL {
        "to_char(\(expression) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    }

    private static let fields: SQL = """
        'id', o.id, 'brandId', (select brand_id from brand_state), 'source', o.source,
        'orderId', case when o.known_by = 'order' then o.order_id end, 'eventId', o.event_id,
        'customerProfileId', o.profile_id, 'placedOn', o.placed_on, 'orderedAt', \(instant("o.ordered_at")),
        'channel', o.channel, 'total', \(amount("o.total")), 'refunded', \(amount("o.refunded")),
        'cancelled', o.is_cancelled, 'value', \(amount("o.value")), 'currency', o.currency,
        'rate', trim_scale(o.rate)::text, 'brandValue', \(amount("o.brand_value")), 'items', o.items,
        'createdAt', \(instant("o.created_at")), 'updatedAt', \(instant("o.updated_at"))
        """

    /// Orders by when they were ordered, the newest first; at most `limit`, behind `cursor`.
    public func list(
        _ filter: Filter, behind cursor: PageCursor?, limit: Int
    ) async throws -> [ListedDocument] {
        var condition: SQL = "true"
        if let cursor { condition += " and (o.ordered_at, o.id) < (\(cursor.instant), \(cursor.id))" }
        if let profile = filter.profile { condition += " and o.profile_id = \(profile)" }
        if let id = filter.orderID { condition += " and o.known_by = 'order' and o.order_id = \(id)" }
        if filter.isWithoutRate { condition += " and o.rate is null and not o.is_cancelled" }
        let rows = try await database.run(
            """
            select o.ordered_at, o.id, json_build_object(\(OrderListStore.fields))::text
            from customer_order o where \(condition)
            order by o.ordered_at desc, o.id desc limit \(limit)
            """)
        return try rows.decode((Timestamp, UUIDv7, String).self).map { instant, id, json in
            ListedDocument(json: json, cursor: PageCursor(instant: instant, id: id))
        }
    }

    /// How many refunds and cancellations of an order are shown: the newest.
    static let shownAdjustments = 1_000

    /// One order, with its refunds and cancellations; nil when there is none of this id.
    public func show(_ id: OrderID) async throws -> String? {
        let rows = try await database.run(
            """
            select json_build_object(\(OrderListStore.fields), 'adjustments', (
                select coalesce(json_agg(json_build_object(
                    'type', a.kind, 'refundId', case when a.known_by = 'refund' then a.adjustment_id end,
                    'eventId', a.event_id, 'occurredAt', \(OrderListStore.instant("a.adjusted_at")),
                    'amount', case when a.kind = 'refund' then \(OrderListStore.amount("a.amount")) end,
                    'currency', coalesce(a.currency, o.currency),
                    'counted', case a.kind
                        when 'refund' then o.stated_refunded is null
                            and coalesce(a.currency, o.currency) = o.currency
                        else o.stated_cancelled is null end)
                    order by a.adjusted_at, a.adjustment_id), '[]')
                from (
                    select * from order_adjustment
                    where source = o.source and order_id = o.order_id and o.known_by = 'order'
                    order by adjusted_at desc limit \(OrderListStore.shownAdjustments)
                ) a))::text
            from customer_order o where o.id = \(id)
            """)
        return try rows.first?.decode(String.self)
    }
}
