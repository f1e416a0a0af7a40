import Events
import Kernel

/// The events of Segment's e-commerce spec (version 2, with the old names of version 1) that have a type of
/// ours, and what of their properties becomes ours.
///
/// Money is never made up: an order counts for its `total`, or its `revenue`, and for nothing else.
enum SegmentCommerce: Sendable {
    case productViewed, productsSearched, productAdded, productWishlisted, cartAbandoned
    case orderCompleted, orderUpdated, orderRefunded, orderCancelled
    case signedOut

    /// Why an event cannot have the type that its name stands for.
    struct Unmapped: Error, Equatable {
        let reason: String
    }

    /// By the event's name, in whichever case it is written.
    init?(event: String) {
        guard let found = SegmentCommerce.names[event.lowercased()] else { return nil }
        self = found
    }

    private static let names: [String: SegmentCommerce] = [
        "product viewed": .productViewed, "viewed product": .productViewed,
        "products searched": .productsSearched,
        "product added": .productAdded, "added product": .productAdded,
        "product added to wishlist": .productWishlisted,
        "cart abandoned": .cartAbandoned, "checkout abandoned": .cartAbandoned,
        "order completed": .orderCompleted, "completed order": .orderCompleted,
        "order updated": .orderUpdated, "order refunded": .orderRefunded,
        "order cancelled": .orderCancelled, "order canceled": .orderCancelled,
        "signed out": .signedOut,
    ]

    /// The type that it is meant to have.
    var type: EventType {
        switch self {
        case .productViewed: .productView
        case .productsSearched: .search
        case .productAdded: .cartAdd
        case .productWishlisted: .wishlistAdd
        case .cartAbandoned: .cartAbandoned
        case .orderCompleted, .orderUpdated: .purchase
        case .orderRefunded: .refund
        case .orderCancelled: .cancellation
        case .signedOut: .signOut
        }
    }

    /// Writes the properties of ours beside the sender's, and gives the type that it has with them.
    ///
    /// - Parameter instant: when it happened; the newest version of an order counts.
    func fill(
        _ properties: inout SegmentProperties, at instant: Timestamp
    ) throws(Unmapped) -> EventType {
        switch self {
        case .productViewed, .productAdded, .productWishlisted:
            try SegmentCommerce.product(&properties)
            properties.keepNumber("quantity")
            properties.keepAmount("price")
        case .productsSearched:
            properties.keepText("query")
        case .cartAbandoned:
            SegmentCommerce.items(&properties)
            properties.keepAmount("total")
        case .orderCompleted, .orderUpdated:
            // Without its number an order that is changed would be one more.
            try SegmentCommerce.order(&properties, isNumbered: self == .orderUpdated)
            try SegmentCommerce.purchase(&properties, at: instant)
        case .orderRefunded:
            try SegmentCommerce.order(&properties, isNumbered: true)
            return try SegmentCommerce.refund(&properties)
        case .orderCancelled:
            try SegmentCommerce.order(&properties, isNumbered: true)
            properties.keepText("reason")
        case .signedOut: break
        }
        return type
    }

    private static func product(_ properties: inout SegmentProperties) throws(Unmapped) {
        guard let id = productID(properties) else {
            throw Unmapped(reason: "it has neither a product_id nor a sku")
        }
        properties.fill("productId", text: id)
    }

    private static func productID(_ properties: SegmentProperties) -> String? {
        ["product_id", "productId", "sku"].lazy.compactMap { properties.id($0) }.first
    }

    private static func order(
        _ properties: inout SegmentProperties, isNumbered: Bool
    ) throws(Unmapped) {
        if let id = properties.id("order_id") ?? properties.id("orderId") {
            properties.fill("orderId", text: id)
        } else if isNumbered {
            throw Unmapped(reason: "it has no order_id")
        } else {
            properties.setAside("orderId")
        }
    }

    private static func purchase(
        _ properties: inout SegmentProperties, at instant: Timestamp
    ) throws(Unmapped) {
        try amount(&properties, of: ["total", "revenue"], as: "total")
        guard properties.has("total") else { throw Unmapped(reason: "it has neither a total nor a revenue") }
        try currency(&properties)
        items(&properties)
        // Segment knows no versions: the one that happened last is the newest.
        properties.setAside("version")
        properties.fill("updatedAt", text: instant.description)
    }

    /// A refund without an amount is of the whole order, whatever that came to; one of some of its products
    /// is of nobody knows how much.
    private static func refund(_ properties: inout SegmentProperties) throws(Unmapped) -> EventType {
        try amount(&properties, of: ["total", "revenue", "value", "amount"], as: "amount")
        guard properties.has("amount") else {
            guard properties.value("products")?.elements.first(where: { _ in true }) == nil else {
                throw Unmapped(reason: "it has products and no total: how much was refunded is not known")
            }
            properties.keepText("reason")
            if !properties.has("reason") { properties.fill("reason", text: "refunded") }
            return .cancellation
        }
        try currency(&properties)
        items(&properties)
        if let id = properties.id("refund_id") ?? properties.id("refundId") {
            properties.fill("refundId", text: id)
        } else {
            properties.setAside("refundId")
        }
        return .refund
    }

    /// Writes the first amount that there is. One that cannot be read is not passed over for another.
    private static func amount(
        _ properties: inout SegmentProperties, of names: [String], as name: String
    ) throws(Unmapped) {
        for other in names {
            guard let value = properties.value(other), value.string != "" else { continue }
            guard let amount = SegmentProperties.amount(value) else {
                throw Unmapped(reason: "\(other) is no amount of at most 4 decimals that is not negative")
            }
            if other == name {
                properties.replace(name, value, as: amount)
            } else {
                properties.fill(name, text: amount.description)
            }
            return
        }
        properties.remove(name)
    }

    private static func currency(_ properties: inout SegmentProperties) throws(Unmapped) {
        guard let value = properties.value("currency"), value.string != "" else {
            properties.remove("currency")
            return
        }
        guard let text = value.string, Currency(text) != nil else {
            throw Unmapped(reason: "currency is no code of three letters, such as USD")
        }
    }

    /// Makes `items` of `products`, each with all that it has.
    private static func items(_ properties: inout SegmentProperties) {
        let name = ["products", "items"].first { isListOfObjects(properties.value($0)) }
        guard let name, let list = properties.value(name) else {
            properties.setAside("items")
            return
        }
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        for element in list.elements {
            var item = SegmentProperties(element)
            if let id = productID(item) {
                item.fill("productId", text: id)
            } else {
                item.setAside("productId")
            }
            item.keepNumber("quantity")
            item.keepAmount("price")
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            bytes += item.json
        }
        bytes.append(UInt8(ascii: "]"))
        properties.remove(name)
        properties.fill("items", bytes)
    }

    private static func isListOfObjects(_ value: JSONText?) -> Bool {
        guard let value, value.kind == .array else { return false }
        return value.elements.allSatisfy { $0.kind == .object }
    }
}
