import Contract
import Events
import Kernel

/// Where a stock level is: one product in one store.
public struct StockPlace: Sendable {
    public let productId: String
    public let storeId: String

    public init(productId: String, storeId: String) {
        self.productId = productId
        self.storeId = storeId
    }

    /// Whether there can be one: what cannot be need not be looked for.
    var isPossible: Bool { TextRule.id.allows(productId) && TextRule.id.allows(storeId) }
}

extension StockLevel {
    /// Bytes of a store's name.
    public static let storeNameBytes = 1_000

    /// Where it is.
    public var place: StockPlace { StockPlace(productId: productId, storeId: storeId) }

    private static let fields = [
        "productId", "storeId", "storeName", "quantity", "reservedQuantity", "reorderPoint", "maxStock",
    ]
    /// What answers have besides. They are passed over, so that what was read can be sent back.
    private static let shownFields = ["brandId", "lastUpdated", "createdAt", "updatedAt"]

    /// Reads a stock level as it is sent.
    ///
    /// - Parameters:
    ///   - path: where it stands in the body, such as `inventory[3]`.
    ///   - place: where it is, if the request says so elsewhere; otherwise it says so itself.
    /// - Throws: `Fault.invalid` with the field, such as `inventory[3].quantity`.
    public init(
        _ json: JSONText, under path: String?, place: StockPlace? = nil, doing: String
    ) throws(Fault) {
        guard json.kind == .object else {
            throw Fault(.invalid, doing: doing, "expected an object", field: path)
        }
        let fields = JSONFields(json, under: path, doing: doing)
        try fields.require(only: StockLevel.fields, ignoring: StockLevel.shownFields)
        let productID = try fields.id("productId", namedElsewhere: place?.productId)
        let storeID = try fields.id("storeId", namedElsewhere: place?.storeId)
        guard let quantity = try fields.integer("quantity") else {
            throw fields.fault("quantity", "it is missing: a stock level has a quantity")
        }
        self.init(
            productId: productID, storeId: storeID, quantity: quantity,
            reservedQuantity: try fields.integer("reservedQuantity") ?? 0)
        storeName = try fields.string("storeName")
        reorderPoint = try fields.integer("reorderPoint")
        maxStock = try fields.integer("maxStock")
    }
}
