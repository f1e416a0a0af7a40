import Contract
import Kernel
import Postgres

/// The table of products, and products as the JSON documents of the API.
struct ProductStore {
    private static let shown: SQL = """
        'brandId', (select brand_id from brand_state), 'productId', p.product_id, 'name', p.name,
        'description', p.description, 'category', p.category, 'subcategory', p.subcategory,
        'price', \(OrderListStore.amount("p.price")), 'currency', p.currency, 'metadata', p.metadata,
        'active', p.active, 'createdAt', \(OrderListStore.instant("p.created_at")),
        'updatedAt', \(OrderListStore.instant("p.updated_at"))
        """

    /// What a product says, of the row called `name`.
    private static func said(_ name: SQL) -> SQL {
        """
        row(\(name).name, \(name).description, \(name).category, \(name).subcategory, \(name).price,
            \(name).currency, \(name).metadata, \(name).active)
        """
    }

    private static func sent(_ products: [Product], currency: String) -> SQL {
        """
        select product_id, name, description, category, subcategory, price, currency, metadata, active
        from unnest(
            \(products.map(\.productId)), \(products.map(\.name)), \(products.map(\.description)),
            \(products.map(\.category)), \(products.map(\.subcategory)), \(products.map(\.price)),
            \(products.map { $0.currency?.code ?? currency }),
            \(products.map { $0.metadata.map { JSONB($0) } }), \(products.map(\.active)))
        as sent (product_id, name, description, category, subcategory, price, currency, metadata, active)
        """
    }

    /// Sets products, each once, as of `instant`; says how many are other than they were.
    ///
    /// A product that was set as of something later stays. One that says what it said is written too: that
    /// it was set anew keeps out what is older.
    ///
    /// - Parameter currency: of those that name none.
    func set(
        _ products: [Product], currency: String, at instant: Timestamp, in transaction: PostgresTransaction
    ) async throws -> Int {
        let rows = try await transaction.run(
            """
            with sent as (\(ProductStore.sent(products, currency: currency))),
            changed as (
                select s.product_id from sent s left join product p on p.product_id = s.product_id
                where p.product_id is null
                   or (p.set_at <= \(instant)
                       and \(ProductStore.said("p")) is distinct from \(ProductStore.said("s")))
            ),
            written as (
                insert into product as p (
                    product_id, name, description, category, subcategory, price, currency, metadata, active,
                    set_at, created_at, updated_at)
                select product_id, name, description, category, subcategory, price, currency, metadata,
                       active, \(instant), \(instant), \(instant)
                from sent order by product_id
                on conflict (product_id) do update set
                    name = excluded.name, description = excluded.description, category = excluded.category,
                    subcategory = excluded.subcategory, price = excluded.price, currency = excluded.currency,
                    metadata = excluded.metadata, active = excluded.active, set_at = excluded.set_at,
                    updated_at = case
                        when \(ProductStore.said("p")) is distinct from \(ProductStore.said("excluded"))
                        then excluded.updated_at else p.updated_at end
                where p.set_at <= excluded.set_at
            )
            select count(*) from changed
            """)
        return try rows[0].decode(Int.self)
    }

    /// Which of `ids` there are.
    func known(_ ids: [String], on database: some PostgresRunner) async throws -> [String] {
        try await database.run("select product_id from product where product_id = any(\(ids))").decode(
            String.self)
    }

    /// One product; nil when there is none of this id.
    func show(_ id: String, on database: some PostgresRunner) async throws -> String? {
        try await database.run(
            "select json_build_object(\(ProductStore.shown))::text from product p where p.product_id = \(id)"
        ).first?.decode(String.self)
    }

    /// Products by their ids; at most `limit`, behind the one of the id `last`.
    func list(
        _ filter: Products.Filter, behind last: String?, limit: Int, on database: PostgresPool
    ) async throws -> [(id: String, json: String)] {
        var condition: SQL = "true"
        if let last { condition += " and p.product_id > \(last)" }
        if let category = filter.category { condition += " and p.category = \(category)" }
        if let isActive = filter.isActive { condition += " and p.active = \(isActive)" }
        let rows = try await database.run(
            """
            select p.product_id, json_build_object(\(ProductStore.shown))::text
            from product p where \(condition) order by p.product_id limit \(limit)
            """)
        return try rows.decode((String, String).self).map { ($0, $1) }
    }

    /// Takes a product out, of which there is no inventory.
    func remove(_ id: String, in transaction: PostgresTransaction) async throws {
        try await transaction.run("delete from product where product_id = \(id)")
    }
}
