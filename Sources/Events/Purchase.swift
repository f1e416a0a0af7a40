import Kernel

/// What the properties of a `purchase` say about an order, checked.
///
///     {"orderId": "1001", "total": "29.33", "currency": "USD", "updatedAt": "…" or "version": 3,
///      "items": [{"productId": "p1", "quantity": 2, "price": "14.665"}], "refunded": "9.99",
///      "cancelled": false}
///
/// Only `total` is required. Without an `orderId` the event is an order of its own. Further properties are
/// kept with the event.
public struct Purchase: Sendable {
    public let orderID: String?
    /// What was paid.
    public let total: Money
    /// The brand's currency when nil.
    public let currency: Currency?
    public let version: SellerVersion
    /// The items as they were sent: they explain the total, and never make it.
    public let items: [UInt8]?
    /// All that has been given back, where the seller says so: then no `refund` counts besides.
    public let refunded: Money?
    /// Whether the order is called off, where the seller says so: then no `cancellation` counts besides.
    public let isCancelled: Bool?

    /// Reads the properties of a purchase.
    ///
    /// - Throws: `Fault.invalid` with the field, such as `properties.total`.
    public init(properties: JSONText, doing: String) throws(Fault) {
        let fields = JSONFields(properties, under: "properties", doing: doing)
        orderID = try fields.text("orderId", upTo: EventLimits.keyBytes)
        guard let total = try fields.money("total") else {
            throw fields.fault("total", "a purchase has a total")
        }
        self.total = total
        currency = try fields.currency("currency")
        version = try SellerVersion(fields)
        items = try OrderItems.bytes(fields, "items")
        refunded = try fields.money("refunded")
        isCancelled = try fields.truth("cancelled")
    }
}

/// Which version of an order or a refund this is, by the seller's own count.
public enum SellerVersion: Sendable, Equatable {
    case missing
    /// A decimal literal.
    case number(String)
    case text(String)

    /// Reads `version`, or else `updatedAt`.
    init(_ fields: JSONFields) throws(Fault) {
        if let value = fields.value("version") {
            if let number = value.number {
                self = .number(String(decoding: number, as: UTF8.self))
                return
            }
            if let text = try fields.text("version", upTo: EventLimits.keyBytes) {
                // Files have numbers as texts; 10 must come after 9 there too.
                self = Money(text) == nil ? .text(text) : .number(text)
                return
            }
        }
        guard let instant = try fields.instant("updatedAt") else {
            self = .missing
            return
        }
        self = .number(String(instant.microseconds))
    }
}
