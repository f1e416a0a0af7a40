import Events
import Kernel

/// A product of the brand's catalogue, as the brand has set it.
public struct Product: Sendable, Equatable {
    /// Bytes of a name, of a category or subcategory, of a description, and of the metadata as JSON.
    public static let nameBytes = 1_000
    public static let categoryBytes = 200
    public static let descriptionBytes = 64 * 1024
    public static let metadataBytes = 16 * 1024

    /// The brand's own id, as events name it.
    public var productId: String
    public var name: String
    public var description: String?
    public var category: String?
    public var subcategory: String?
    public var price: Money?
    /// Of the price; the brand's when nil.
    public var currency: Currency?
    /// A JSON object: whatever else the brand knows of it.
    public var metadata: String?
    /// Whether it is sold at present.
    public var active = true

    public init(productId: String, name: String) {
        self.productId = productId
        self.name = name
    }
}

extension Product {
    private static let fields = [
        "productId", "name", "description", "category", "subcategory", "price", "currency", "metadata",
        "active",
    ]
    /// What answers have besides. They are passed over, so that what was read can be sent back.
    private static let shownFields = ["brandId", "createdAt", "updatedAt"]

    /// Reads a product as it is sent.
    ///
    /// - Parameters:
    ///   - path: where it stands in the body, such as `products[3]`.
    ///   - id: its id where the request names it elsewhere; otherwise it has it itself.
    /// - Throws: `Fault.invalid` with the field, such as `products[3].price`.
    public init(_ json: JSONText, under path: String?, id: String? = nil, doing: String) throws(Fault) {
        guard json.kind == .object else {
            throw Fault(.invalid, doing: doing, "expected an object", field: path)
        }
        let fields = JSONFields(json, under: path, doing: doing)
        try fields.require(only: Product.fields, ignoring: Product.shownFields)
        let productID = try fields.id("productId", namedElsewhere: id)
        guard let name = try fields.string("name") else {
            throw fields.fault("name", "it is missing: a product has a name")
        }
        self.init(productId: productID, name: name)
        description = try fields.string("description")
        category = try fields.string("category")
        subcategory = try fields.string("subcategory")
        price = try fields.money("price")
        currency = try fields.currency("currency")
        if let value = fields.value("metadata") { metadata = String(decoding: value.bytes, as: UTF8.self) }
        active = try fields.truth("active") ?? true
    }
}

extension JSONFields {
    /// The id called `name`, of which the request may say the same elsewhere.
    func id(_ name: String, namedElsewhere other: String?) throws(Fault) -> String {
        let id = try string(name)
        guard let other else {
            guard let id else { throw fault(name, "it is missing") }
            return id
        }
        guard id == nil || id.map({ Array($0.utf8) }) == Array(other.utf8) else {
            throw fault(name, "it is another one than in the path")
        }
        return other
    }
}
