import Contract
import Events
import Kernel

/// Names the ids of orders.
public enum OrderSubject {}
/// The id of a stored order.
public typealias OrderID = TypedID<OrderSubject>

/// One version of an order, as one purchase event brings it.
///
/// An order is one row, known by its source and the seller's order id, or by the event's key where the seller
/// gives none. Its newest version counts, whatever the order of arrival, and it is placed where its newest
/// version with a place is placed. It was ordered when its earliest version happened.
///
/// What it is worth is what was paid less what was refunded, and nothing when it is cancelled: as its newest
/// version says, or else as refunds and cancellations say (`Adjustment`). In the brand's currency it is worth
/// that at the rate of the day on which it was ordered, so that what is refunded whole leaves nothing.
struct OrderVersion: Sendable {
    let id: OrderID
    let placed: PlacedEvent
    let purchase: Purchase
    let currency: String

    /// - Parameter brandCurrency: what counts where the purchase names none.
    init(_ placed: PlacedEvent, brandCurrency: String) throws {
        id = OrderID(placed.id.uuid)
        self.placed = placed
        purchase = try Purchase(
            properties: JSONText.checking(placed.event.properties), doing: "store the order")
        currency = purchase.currency?.code ?? brandCurrency
    }

    var knownBy: String { purchase.orderID == nil ? "event" : "order" }

    var orderID: String { purchase.orderID ?? placed.event.key }
}

/// One version of a refund or a cancellation, as one event brings it.
struct Adjustment: Sendable {
    let placed: PlacedEvent
    let said: OrderAdjustment

    init(_ placed: PlacedEvent) throws {
        self.placed = placed
        said = try OrderAdjustment(
            placed.event.type, properties: JSONText.checking(placed.event.properties),
            doing: "store the \(placed.event.type.rawValue)")
    }

    var knownBy: String { said.refundID == nil ? "event" : "refund" }

    var adjustmentID: String { said.refundID ?? placed.event.key }
}

/// How versions compare in the database, by the type `order_version`.
extension SellerVersion {
    /// 0 missing, 1 number, 2 text: the first field by which versions compare.
    var kindCode: Int64 {
        switch self {
        case .missing: 0
        case .number: 1
        case .text: 2
        }
    }

    /// The number of the version as a decimal literal; "0" where it is not one.
    var numberLiteral: String {
        if case .number(let literal) = self { literal } else { "0" }
    }

    /// The text of the version; empty where it is not one.
    var label: String {
        if case .text(let text) = self { text } else { "" }
    }
}
