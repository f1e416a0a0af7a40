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
/// version with a place is placed.
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

    /// 0 missing, 1 number, 2 text: the first field by which versions compare.
    var versionKind: Int64 {
        switch purchase.version {
        case .missing: 0
        case .number: 1
        case .text: 2
        }
    }

    /// The number of the version as a decimal literal; "0" where it is not one.
    var versionNumber: String {
        if case .number(let literal) = purchase.version { literal } else { "0" }
    }

    var versionLabel: String {
        if case .text(let text) = purchase.version { text } else { "" }
    }
}
