import Contract
import Events
import Kernel
import Postgres

/// The brand's catalogue: what it sells, set by the brand whole and product by product.
public struct Products: Sendable {
    /// Products in one request.
    public static let maximumProducts = 1000

    /// What a list of products may be narrowed to.
    public struct Filter: Sendable {
        public var category: String?
        public var isActive: Bool?

        public init() {}
    }

    private static let setting = "set the products"

    private let database: WriterDatabase
    private let reader: PostgresPool
    private let settings: @Sendable () -> BrandSettings
    private let store = ProductStore()
    private let inventory = InventoryStore()

    /// - Parameters:
    ///   - database: the connection that holds the writer lease while it writes.
    ///   - settings: the brand's present settings, for its currency.
    public init(
        database: WriterDatabase, reader: PostgresPool, settings: @escaping @Sendable () -> BrandSettings
    ) {
        self.database = database
        self.reader = reader
        self.settings = settings
    }

    /// Holds a product to what one may be.
    ///
    /// - Throws: `Fault.invalid` with the field, such as `price`.
    public static func check(_ product: Product, doing: String = "set the products") throws(Fault) {
        try TextRule.id.check(product.productId, "productId", doing: doing)
        try TextRule(bytes: Product.nameBytes).check(product.name, "name", doing: doing)
        let category = TextRule(bytes: Product.categoryBytes)
        let prose = TextRule(bytes: Product.descriptionBytes, isProse: true)
        for (text, field, rule) in [
            (product.description, "description", prose), (product.category, "category", category),
            (product.subcategory, "subcategory", category),
        ] {
            if let text { try rule.check(text, field, doing: doing) }
        }
        if let price = product.price, price < .zero {
            throw Fault(.invalid, doing: doing, "an amount is not negative", field: "price")
        }
        if let metadata = product.metadata { try check(metadata: metadata, doing: doing) }
    }

    private static func check(metadata: String, doing: String) throws(Fault) {
        func wrong(_ detail: String) -> Fault { Fault(.invalid, doing: doing, detail, field: "metadata") }
        guard metadata.utf8.count <= Product.metadataBytes else {
            throw wrong("it has more than \(Product.metadataBytes) bytes")
        }
        let json: JSONText
        do { json = try JSONText.checking(Array(metadata.utf8)) } catch { throw wrong("\(error)") }
        guard json.kind == .object else { throw wrong("expected an object") }
    }

    /// Products by their ids; at most `limit`, behind the one of the id `last`. `next` is where they go on.
    public func list(
        _ filter: Filter, behind last: String?, limit: Int
    ) async throws -> (documents: [String], next: String?) {
        let found = try await store.list(filter, behind: last, limit: limit + 1, on: reader)
        return (found.prefix(limit).map(\.json), found.count > limit ? found[limit - 1].id : nil)
    }

    /// One product as the API shows it.
    ///
    /// - Throws: `Fault.notFound` when there is none of this id.
    public func show(_ id: String) async throws -> String {
        guard TextRule.id.allows(id), let json = try await store.show(id, on: reader) else {
            throw Products.unknown(id, doing: "show the product")
        }
        return json
    }

    /// Which of these ids there are, as the bytes by which ids are compared.
    public func known(_ ids: [String]) async throws -> Set<[UInt8]> {
        Set(try await store.known(ids.filter(TextRule.id.allows), on: reader).map { Array($0.utf8) })
    }

    /// Sets products as of `instant`, all or none: one that was set as of something later stays as it is and
    /// counts as unchanged. Of several with one id the last counts, as if they were set one after the other.
    ///
    /// - Throws: `Fault.invalid` with the field, such as `products[3].price`.
    public func set(_ products: [Product], at instant: Timestamp) async throws -> ProductsChange {
        guard products.count <= Products.maximumProducts else {
            throw Fault(
                .tooLarge, doing: Products.setting,
                "there are at most \(Products.maximumProducts) in one request", field: "products")
        }
        for (index, product) in products.enumerated() {
            do { try Products.check(product) } catch { throw error.at("products[\(index)]") }
        }
        var seen: Set<[UInt8]> = []
        let latest = products.reversed().filter { seen.insert(Array($0.productId.utf8)).inserted }
        guard !latest.isEmpty else { return ProductsChange(changed: 0, unchanged: 0) }
        let (store, own) = (store, settings().currency)
        let changed = try await database.transaction { transaction in
            try await store.set(latest, currency: own, at: instant, in: transaction)
        }
        return ProductsChange(changed: changed, unchanged: products.count - changed)
    }

    /// Sets one product as of `instant`, and gives it as it is then; `isNew` when there was none of its id.
    ///
    /// - Throws: `Fault.invalid` with the field, such as `price`.
    public func put(
        _ product: Product, at instant: Timestamp
    ) async throws -> (json: String, isNew: Bool) {
        let doing = "set the product"
        try Products.check(product, doing: doing)
        let (store, own) = (store, settings().currency)
        return try await database.transaction { transaction in
            let isNew = try await store.known([product.productId], on: transaction).isEmpty
            _ = try await store.set([product], currency: own, at: instant, in: transaction)
            guard let json = try await store.show(product.productId, on: transaction) else {
                throw Fault(.internal, doing: doing, "what was written is not there")
            }
            return (json, isNew)
        }
    }

    /// Takes a product out of the catalogue, with its inventory if that is asked for.
    ///
    /// - Throws: `Fault.notFound` when there is none of this id, `Fault.conflict` when there is inventory of
    ///   it that is to stay.
    public func remove(_ id: String, withInventory isWhole: Bool) async throws -> ProductRemoval {
        let doing = "remove the product"
        guard TextRule.id.allows(id) else { throw Products.unknown(id, doing: doing) }
        let (store, inventory) = (store, inventory)
        return try await database.transaction { transaction in
            guard try await !store.known([id], on: transaction).isEmpty else {
                throw Products.unknown(id, doing: doing)
            }
            let levels = try await inventory.count(ofProduct: id, in: transaction)
            guard levels == 0 || isWhole else {
                throw Fault(
                    .conflict, doing: doing,
                    "\(levels) \(levels == 1 ? "store has" : "stores have") inventory of it; say "
                        + "inventory=true to remove that too", field: "inventory")
            }
            if levels > 0 { try await inventory.remove(ofProduct: id, in: transaction) }
            try await store.remove(id, in: transaction)
            return ProductRemoval(inventory: levels)
        }
    }

    private static func unknown(_ id: String, doing: String) -> Fault {
        Fault(.notFound, doing: doing, "there is no product of this id")
    }
}
