import Kernel

/// What the properties of a `purchase` say about an order, checked.
///
///     {"orderId": "1001", "total": "29.33", "currency": "USD", "updatedAt": "…" or "version": 3,
///      "items": [{"productId": "p1", "quantity": 2, "price": "14.665"}]}
///
/// Only `total` is required. Without an `orderId` the event is an order of its own. Further properties are
/// kept with the event.
public struct Purchase: Sendable {
    /// Which version of an order this is, by the seller's own count.
    public enum Version: Sendable, Equatable {
        case missing
        /// A decimal literal.
        case number(String)
        case text(String)
    }

    public let orderID: String?
    public let total: Money
    /// The brand's currency when nil.
    public let currency: Currency?
    public let version: Version
    /// The items as they were sent: they explain the total, and never make it.
    public let items: [UInt8]?

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
        if let text = try fields.text("currency", upTo: 3) {
            guard let currency = Currency(text) else {
                throw fields.fault("currency", "expected a currency code of three letters, such as USD")
            }
            self.currency = currency
        } else {
            currency = nil
        }
        version = try Purchase.version(fields)
        items = try Purchase.items(fields)
    }

    private static func version(_ fields: JSONFields) throws(Fault) -> Version {
        if let value = fields.value("version") {
            if let number = value.number { return .number(String(decoding: number, as: UTF8.self)) }
            if let text = try fields.text("version", upTo: EventLimits.keyBytes) {
                // Files have numbers as texts; 10 must come after 9 there too.
                return Money(text) == nil ? .text(text) : .number(text)
            }
        }
        guard let text = try fields.text("updatedAt", upTo: 64) else { return .missing }
        guard let instant = Timestamp(rfc3339: text) else {
            throw fields.fault("updatedAt", "expected an RFC 3339 date-time such as 2026-01-31T10:00:00Z")
        }
        return .number(String(instant.microseconds))
    }

    private static func items(_ fields: JSONFields) throws(Fault) -> [UInt8]? {
        guard let list = fields.value("items") else { return nil }
        guard list.kind == .array else { throw fields.fault("items", "expected an array of objects") }
        for (index, item) in list.elements.enumerated() {
            guard item.kind == .object else { throw fields.fault("items[\(index)]", "expected an object") }
            let item = JSONFields(item, under: "properties.items[\(index)]", doing: fields.doing)
            _ = try item.text("productId", upTo: EventLimits.keyBytes)
            _ = try item.money("price")
            if let quantity = item.value("quantity"), quantity.number == nil {
                throw item.fault("quantity", "expected a number")
            }
        }
        return Array(list.bytes)
    }
}
