import Kernel

/// How much of a product a store has.
public struct StockLevel: Codable, Sendable, Equatable {
    public var productId: String
    /// The brand's own id of the store, as events name it.
    public var storeId: String
    public var storeName: String?
    /// Below zero where a till has sold what was not booked in yet.
    public var quantity: Int
    /// What of it is promised to somebody.
    public var reservedQuantity: Int
    /// The level below which the store orders more.
    public var reorderPoint: Int?
    public var maxStock: Int?
    /// As of when it is so; only of a level that is stored.
    public var lastUpdated: Timestamp?

    public init(productId: String, storeId: String, quantity: Int, reservedQuantity: Int = 0) {
        self.productId = productId
        self.storeId = storeId
        self.quantity = quantity
        self.reservedQuantity = reservedQuantity
    }
}

/// What setting products has come to.
public struct ProductsChange: Codable, Sendable, Equatable {
    /// Products that are new, or other than they were.
    public var changed: Int
    /// Products that are as they were; those too that something newer has set.
    public var unchanged: Int

    public init(changed: Int, unchanged: Int) {
        self.changed = changed
        self.unchanged = unchanged
    }
}

/// What has gone with a product that was taken out of the catalogue.
public struct ProductRemoval: Codable, Sendable, Equatable {
    /// Stock levels of it.
    public var inventory: Int

    public init(inventory: Int) { self.inventory = inventory }
}

/// What setting stock levels has come to.
public struct InventoryChange: Codable, Sendable, Equatable {
    /// Levels that are new, or other than they were.
    public var changed: Int
    /// Levels that are as they were; those too that something newer has set.
    public var unchanged: Int

    public init(changed: Int, unchanged: Int) {
        self.changed = changed
        self.unchanged = unchanged
    }
}
