import Contract

/// What the rows of a file are.
public enum ImportKind: String, Codable, Sendable, CaseIterable {
    /// Each row is an event.
    case events
    /// Each row is a customer as they are known: an event of the type `identify`.
    case profiles
    /// Each row is a product of the catalogue.
    case products
    /// Each row is what a store has of a product.
    case inventory

    /// Targets that every row has.
    var required: [String] {
        switch self {
        case .events, .profiles: []
        case .products: ["productId", "name"]
        case .inventory: ["productId", "storeId", "quantity"]
        }
    }

    /// Whether the rows go through the same door as events.
    var isEvents: Bool { self == .events || self == .profiles }

    /// What a key has to have to bring such rows.
    public var scope: KeyScope {
        switch self {
        case .events, .profiles: .eventsWrite
        case .products: .productsWrite
        case .inventory: .inventoryWrite
        }
    }

    /// What the rows come from where nobody says it: the same file may be read as orders and as customers.
    var defaultSource: String { self == .profiles ? "csv.profiles" : "csv" }

    /// A mapping, as a caller would write it.
    var example: String {
        switch self {
        case .events, .profiles: "email:customer_email"
        case .products, .inventory: "productId:sku"
        }
    }
}
