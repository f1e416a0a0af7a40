import Kernel

/// What an order or a cart consists of, as it was sent: it explains a total, and never makes it.
enum OrderItems {
    /// The items as they were sent, each held to what it may say; nil when absent.
    ///
    ///     [{"productId": "p1", "quantity": 2, "price": "14.665"}]
    static func bytes(_ fields: JSONFields, _ name: String) throws(Fault) -> [UInt8]? {
        guard let list = fields.value(name) else { return nil }
        guard list.kind == .array else { throw fields.fault(name, "expected an array of objects") }
        for (index, item) in list.elements.enumerated() {
            guard item.kind == .object else { throw fields.fault("\(name)[\(index)]", "expected an object") }
            let item = JSONFields(item, under: "properties.\(name)[\(index)]", doing: fields.doing)
            _ = try item.text("productId", upTo: EventLimits.keyBytes)
            _ = try item.money("price")
            if let quantity = item.value("quantity"), quantity.number == nil {
                throw item.fault("quantity", "expected a number")
            }
        }
        return Array(list.bytes)
    }
}
