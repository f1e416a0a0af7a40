import Contract
import Kernel
import Postgres

/// The table of stock levels, and stock levels as the JSON documents of the API.
struct InventoryStore {
    private static let shown: SQL = """
        'brandId', (select brand_id from brand_state), 'productId', i.product_id, 'storeId', i.store_id,
        'storeName', i.store_name, 'quantity', i.quantity, 'reservedQuantity', i.reserved_quantity,
        'reorderPoint', i.reorder_point, 'maxStock', i.max_stock,
        'lastUpdated', \(OrderListStore.instant("i.last_updated")),
        'createdAt', \(OrderListStore.instant("i.created_at")),
        'updatedAt', \(OrderListStore.instant("i.updated_at"))
        """

    /// What a level says, of the row called `name`.
    private static func said(_ name: SQL) -> SQL {
        """
        row(\(name).store_name, \(name).quantity, \(name).reserved_quantity, \(name).reorder_point,
            \(name).max_stock)
        """
    }

    private static func sent(_ levels: [StockLevel]) -> SQL {
        """
        select product_id, store_id, store_name, quantity::integer, reserved_quantity::integer,
               reorder_point::integer, max_stock::integer
        from unnest(
            \(levels.map(\.productId)), \(levels.map(\.storeId)), \(levels.map(\.storeName)),
            \(levels.map(\.quantity)), \(levels.map(\.reservedQuantity)), \(levels.map(\.reorderPoint)),
            \(levels.map(\.maxStock)))
        as sent (product_id, store_id, store_name, quantity, reserved_quantity, reorder_point, max_stock)
        """
    }

    /// Sets levels of products that there are, each once, as of `instant`; says how many are other than they
    /// were.
    ///
    /// A level that was set as of something later stays. One that says what it said is as of `instant` now.
    func set(
        _ levels: [StockLevel], at instant: Timestamp, in transaction: PostgresTransaction
    ) async throws -> Int {
        let rows = try await transaction.run(
            """
            with sent as (\(InventoryStore.sent(levels))),
            changed as (
                select s.product_id from sent s
                left join inventory i on i.product_id = s.product_id and i.store_id = s.store_id
                where i.product_id is null
                   or (i.last_updated <= \(instant)
                       and \(InventoryStore.said("i")) is distinct from \(InventoryStore.said("s")))
            ),
            written as (
                insert into inventory as i (
                    product_id, store_id, store_name, quantity, reserved_quantity, reorder_point, max_stock,
                    last_updated, created_at, updated_at)
                select product_id, store_id, store_name, quantity, reserved_quantity, reorder_point,
                       max_stock, \(instant), \(instant), \(instant)
                from sent order by product_id, store_id
                on conflict (product_id, store_id) do update set
                    store_name = excluded.store_name, quantity = excluded.quantity,
                    reserved_quantity = excluded.reserved_quantity, reorder_point = excluded.reorder_point,
                    max_stock = excluded.max_stock, last_updated = excluded.last_updated,
                    updated_at = case
                        when \(InventoryStore.said("i")) is distinct from \(InventoryStore.said("excluded"))
                        then excluded.updated_at else i.updated_at end
                where i.last_updated <= excluded.last_updated
            )
            select count(*) from changed
            """)
        return try rows[0].decode(Int.self)
    }

    /// One level; nil when there is none.
    func show(_ place: StockPlace, in transaction: PostgresTransaction) async throws -> String? {
        try await transaction.run(
            """
            select json_build_object(\(InventoryStore.shown))::text from inventory i
            where i.product_id = \(place.productId) and i.store_id = \(place.storeId)
            """
        ).first?.decode(String.self)
    }

    /// Levels by their products and stores; at most `limit`, behind the one of `last`.
    func list(
        _ filter: Inventory.Filter, behind last: StockPlace?, limit: Int, on database: PostgresPool
    ) async throws -> [(place: StockPlace, json: String)] {
        var condition: SQL = "true"
        if let last {
            condition += " and (i.product_id, i.store_id) > (\(last.productId), \(last.storeId))"
        }
        if let product = filter.productID { condition += " and i.product_id = \(product)" }
        if let store = filter.storeID { condition += " and i.store_id = \(store)" }
        if filter.isBelowReorderPoint {
            condition += " and i.quantity::bigint - i.reserved_quantity < i.reorder_point"
        }
        let rows = try await database.run(
            """
            select i.product_id, i.store_id, json_build_object(\(InventoryStore.shown))::text
            from inventory i where \(condition) order by i.product_id, i.store_id limit \(limit)
            """)
        return try rows.decode((String, String, String).self).map { product, store, json in
            (StockPlace(productId: product, storeId: store), json)
        }
    }

    /// Takes a level away; whether there was one.
    func remove(_ place: StockPlace, in transaction: PostgresTransaction) async throws -> Bool {
        let rows = try await transaction.run(
            """
            delete from inventory where product_id = \(place.productId) and store_id = \(place.storeId)
            """)
        return rows.affected > 0
    }

    /// How many stores have a level of a product.
    func count(ofProduct id: String, in transaction: PostgresTransaction) async throws -> Int {
        try await transaction.run("select count(*) from inventory where product_id = \(id)")[0].decode(
            Int.self)
    }

    /// Takes all levels of a product away.
    func remove(ofProduct id: String, in transaction: PostgresTransaction) async throws {
        try await transaction.run("delete from inventory where product_id = \(id)")
    }
}
