import Contract
import Events
import Kernel
import Postgres

/// How much of its products each store of the brand has, set by the brand level by level.
public struct Inventory: Sendable {
    /// Levels in one request.
    public static let maximumLevels = 1000

    /// What a list of stock levels may be narrowed to.
    public struct Filter: Sendable {
        public var productID: String?
        public var storeID: String?
        /// Only levels with a reorder point of which less is there, what is reserved not counted.
        public var isBelowReorderPoint = false

        public init() {}
    }

    private static let setting = "set the inventory"

    private let database: WriterDatabase
    private let reader: PostgresPool
    private let store = InventoryStore()
    private let products = ProductStore()

    /// - Parameter database: the connection that holds the writer lease while it writes.
    public init(database: WriterDatabase, reader: PostgresPool) {
        self.database = database
        self.reader = reader
    }

    /// Holds a stock level to what one may be. That there is such a product is another thing.
    ///
    /// - Throws: `Fault.invalid` with the field, such as `reorderPoint`.
    public static func check(_ level: StockLevel, doing: String = "set the inventory") throws(Fault) {
        try TextRule.id.check(level.productId, "productId", doing: doing)
        try TextRule.id.check(level.storeId, "storeId", doing: doing)
        if let name = level.storeName {
            try TextRule(bytes: StockLevel.storeNameBytes).check(name, "storeName", doing: doing)
        }
        let counts: [(value: Int?, field: String, least: Int32)] = [
            (level.quantity, "quantity", .min), (level.reservedQuantity, "reservedQuantity", 0),
            (level.reorderPoint, "reorderPoint", 0), (level.maxStock, "maxStock", 0),
        ]
        for count in counts {
            guard let value = count.value else { continue }
            guard (Int(count.least)...Int(Int32.max)).contains(value) else {
                throw Fault(
                    .invalid, doing: doing, "expected a whole number from \(count.least) to \(Int32.max)",
                    field: count.field)
            }
        }
    }

    /// Levels by their products and stores; at most `limit`, behind the one of `last`. `next` is where they
    /// go on.
    public func list(
        _ filter: Filter, behind last: StockPlace?, limit: Int
    ) async throws -> (documents: [String], next: StockPlace?) {
        let found = try await store.list(filter, behind: last, limit: limit + 1, on: reader)
        return (found.prefix(limit).map(\.json), found.count > limit ? found[limit - 1].place : nil)
    }

    /// Sets levels as of `instant`, all or none: one that was set as of something later stays as it is and
    /// counts as unchanged. Of several of one product and store the last counts, as if they were set one
    /// after the other.
    ///
    /// - Throws: `Fault.invalid` with the field, such as `inventory[3].productId` where there is no such
    ///   product.
    public func set(_ levels: [StockLevel], at instant: Timestamp) async throws -> InventoryChange {
        guard levels.count <= Inventory.maximumLevels else {
            throw Fault(
                .tooLarge, doing: Inventory.setting,
                "there are at most \(Inventory.maximumLevels) in one request", field: "inventory")
        }
        for (index, level) in levels.enumerated() {
            do { try Inventory.check(level) } catch { throw error.at("inventory[\(index)]") }
        }
        var seen: Set<[[UInt8]]> = []
        let latest = levels.reversed().filter {
            seen.insert([Array($0.productId.utf8), Array($0.storeId.utf8)]).inserted
        }
        guard !latest.isEmpty else { return InventoryChange(changed: 0, unchanged: 0) }
        let (store, products) = (store, products)
        let changed = try await database.transaction { transaction in
            if let index = try await products.firstUnknown(levels.map(\.productId), in: transaction) {
                throw Inventory.unknownProduct(levels[index], doing: Inventory.setting)
                    .at("inventory[\(index)]")
            }
            return try await store.set(latest, at: instant, in: transaction)
        }
        return InventoryChange(changed: changed, unchanged: levels.count - changed)
    }

    /// Sets one level as of `instant`, and gives it as it is then; `isNew` when there was none.
    ///
    /// - Throws: `Fault.invalid` with the field, such as `productId` where there is no such product.
    public func put(
        _ level: StockLevel, at instant: Timestamp
    ) async throws -> (json: String, isNew: Bool) {
        let doing = "set the stock level"
        try Inventory.check(level, doing: doing)
        let (store, products) = (store, products)
        return try await database.transaction { transaction in
            guard try await products.firstUnknown([level.productId], in: transaction) == nil else {
                throw Inventory.unknownProduct(level, doing: doing)
            }
            let isNew = try await store.show(level.place, in: transaction) == nil
            _ = try await store.set([level], at: instant, in: transaction)
            guard let json = try await store.show(level.place, in: transaction) else {
                throw Fault(.internal, doing: doing, "what was written is not there")
            }
            return (json, isNew)
        }
    }

    /// Takes a level away, as if the store had never had the product.
    ///
    /// - Throws: `Fault.notFound` when there is none.
    public func remove(_ place: StockPlace) async throws {
        let (store, doing) = (store, "remove the stock level")
        let unknown = Fault(.notFound, doing: doing, "this store has no level of this product")
        guard place.isPossible else { throw unknown }
        try await database.transaction { transaction in
            guard try await store.remove(place, in: transaction) else { throw unknown }
        }
    }

    private static func unknownProduct(_ level: StockLevel, doing: String) -> Fault {
        Fault(.invalid, doing: doing, "there is no product '\(level.productId)'", field: "productId")
    }
}

extension ProductStore {
    /// The index of the first of `ids` that no product has.
    ///
    /// Ids are compared by their bytes, as the database does it.
    func firstUnknown(_ ids: [String], in transaction: PostgresTransaction) async throws -> Int? {
        let known = Set(try await known(ids, on: transaction).map { Array($0.utf8) })
        return ids.firstIndex { !known.contains(Array($0.utf8)) }
    }
}
