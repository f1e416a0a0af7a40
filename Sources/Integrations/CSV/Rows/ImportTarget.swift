import Events

/// What a column of a file can become.
struct ImportTarget: Equatable {
    /// As it is kept: a property of an event has its prefix.
    let name: String

    /// Properties that may be mapped without their prefix.
    private static let shortProperties = [
        "amount", "cancelled", "currency", "orderId", "productId", "quantity", "refundId", "refunded",
        "total",
    ]
    private static let eventFields = ["channel", "eventId", "occurredAt", "type"]
    private static let identifiers = IdentifierKind.allCases.map(\.rawValue)
    private static let productFields = [
        "active", "category", "currency", "description", "name", "price", "productId", "subcategory",
    ]
    private static let stockFields = [
        "maxStock", "productId", "quantity", "reorderPoint", "reservedQuantity", "storeId", "storeName",
    ]

    /// The target that a caller calls `text`; nil where rows of this kind have none such.
    init?(_ text: String, of kind: ImportKind) {
        switch kind {
        case .events, .profiles:
            guard let name = ImportTarget.ofEvent(text, kind) else { return nil }
            self.name = name
        case .products:
            guard ImportTarget.productFields.contains(text) || ImportTarget.isPrefixed(text, by: "metadata.")
            else { return nil }
            name = text
        case .inventory:
            guard ImportTarget.stockFields.contains(text) else { return nil }
            name = text
        }
    }

    private static func ofEvent(_ text: String, _ kind: ImportKind) -> String? {
        if text == "type" { return kind == .events ? text : nil }
        if eventFields.contains(text) || identifiers.contains(text) { return text }
        if kind == .events, shortProperties.contains(text) { return "properties.\(text)" }
        if isPrefixed(text, by: "properties.") { return text }
        return consent(text) == nil ? nil : text
    }

    /// What a caller calls a target that is kept as `name`.
    static func short(_ name: String, of kind: ImportKind) -> String {
        guard kind == .events, name.hasPrefix("properties.") else { return name }
        let property = String(name.dropFirst("properties.".count))
        return shortProperties.contains(property) ? property : name
    }

    private static func isPrefixed(_ text: String, by prefix: String) -> Bool {
        text.hasPrefix(prefix) && text.utf8.count > prefix.utf8.count
    }

    /// Whose consent a target is, and to what: `consent.<kind>.<purpose>`; nil where it is none.
    static func consent(_ target: String) -> (kind: IdentifierKind, purpose: String)? {
        let parts = target.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "consent", let kind = IdentifierKind(rawValue: String(parts[1])),
            !parts[2].isEmpty
        else { return nil }
        return (kind, String(parts[2]))
    }

    /// Which targets there are, as the end of a sentence.
    static func all(of kind: ImportKind) -> String {
        switch kind {
        case .events:
            let names = eventFields + shortProperties + identifiers
            return "use properties.<name>, consent.<identifier>.<purpose> or \(names.joined(separator: ", "))"
        case .profiles:
            let names = eventFields.filter { $0 != "type" } + identifiers
            return "use properties.<name>, consent.<identifier>.<purpose> or \(names.joined(separator: ", "))"
        case .products: return "use metadata.<name> or \(productFields.joined(separator: ", "))"
        case .inventory: return "use \(stockFields.joined(separator: ", "))"
        }
    }
}
