import Commerce
import Contract
import Events
import Hummingbird
import Kernel
import NIOCore
import Web

/// `/api/orders`: what was sold, as it stands now.
struct OrderRoutes: Sendable {
    let orders: OrderListStore

    func add(to router: RouterGroup<WebContext>) {
        router.get("orders", use: list)
        router.get("orders/:id", use: show)
    }

    @Sendable private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "list the orders"
        _ = try context.require(.ordersRead, doing: doing)
        var filter = OrderListStore.Filter()
        filter.profile = try request.profile(doing: doing)
        if let id = request.query("orderId") {
            guard id.utf8.count <= EventLimits.keyBytes, !id.utf8.contains(0) else {
                throw Fault(
                    .invalid, doing: doing, "an id has at most \(EventLimits.keyBytes) bytes",
                    field: "orderId")
            }
            filter.orderID = id
        }
        if let text = request.query("withoutRate") {
            guard let isAsked = Bool(text) else {
                throw Fault(.invalid, doing: doing, "expected true or false", field: "withoutRate")
            }
            filter.isWithoutRate = isAsked
        }
        let limit = try request.pageLimit(doing: doing)
        let found = try await orders.list(
            filter, behind: try request.pageCursor(doing: doing), limit: limit + 1)
        return WebResponse.page(found, limit: limit)
    }

    @Sendable private func show(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "show the order"
        _ = try context.require(.ordersRead, doing: doing)
        guard let id = OrderID(try context.parameter("id")), let json = try await orders.show(id) else {
            throw Fault(.notFound, doing: doing, "there is no order of this id")
        }
        return WebResponse.json(text: ByteBuffer(string: json))
    }
}
