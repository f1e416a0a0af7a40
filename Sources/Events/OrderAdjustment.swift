import Kernel

/// What the properties of a `refund` or a `cancellation` say about an order, checked.
///
///     {"orderId": "1001", "amount": "9.99", "refundId": "r1", "currency": "USD", "updatedAt": "…"}
///     {"orderId": "1001", "reason": "out of stock"}
///
/// It may come before the order does, and waits for it then.
public struct OrderAdjustment: Sendable {
    /// Which of the two it is.
    public let type: EventType
    /// The order, of the same source.
    public let orderID: String
    /// What was given back; nil of a cancellation.
    public let amount: Money?
    /// The order's own when nil.
    public let currency: Currency?
    /// The seller's id of the refund; without one each event is a refund of its own.
    public let refundID: String?
    /// Which version of the refund, or of the cancellation, this is.
    public let version: SellerVersion

    /// Reads the properties of a refund or a cancellation.
    ///
    /// - Throws: `Fault.invalid` with the field, such as `properties.amount`.
    public init(_ type: EventType, properties: JSONText, doing: String) throws(Fault) {
        let fields = JSONFields(properties, under: "properties", doing: doing)
        self.type = type
        guard let orderID = try fields.text("orderId", upTo: EventLimits.keyBytes) else {
            throw fields.fault("orderId", "a \(type.rawValue) names its order")
        }
        self.orderID = orderID
        version = try SellerVersion(fields)
        guard type == .refund else {
            (amount, currency, refundID) = (nil, nil, nil)
            return
        }
        guard let amount = try fields.money("amount") else {
            throw fields.fault("amount", "a refund has an amount")
        }
        self.amount = amount
        currency = try fields.currency("currency")
        refundID = try fields.text("refundId", upTo: EventLimits.keyBytes)
    }
}
