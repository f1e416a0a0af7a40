import Commerce
import Contract
import Events
import Hummingbird
import Kernel
import NIOCore
import Web

/// `/api/inventory`: how much of its products each store has.
struct InventoryRoutes: Sendable {
    private static let setting = "set the inventory"

    let inventory: Inventory
    let clock: any WallClock

    func add(to router: RouterGroup<WebContext>) {
        router.get("inventory", use: list)
        router.post("inventory", use: set)
        router.put("inventory/:productId/:storeId", use: put)
        router.delete("inventory/:productId/:storeId", use: remove)
    }

    @Sendable private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "list the inventory"
        _ = try context.require(.inventoryRead, doing: doing)
        var filter = Inventory.Filter()
        filter.productID = try request.text("productId", upTo: EventLimits.keyBytes, doing: doing)
        filter.storeID = try request.text("storeId", upTo: EventLimits.keyBytes, doing: doing)
        filter.isBelowReorderPoint = try request.truth("belowReorderPoint", doing: doing) ?? false
        let last = try request.cursor(ids: 2, doing: doing).map {
            StockPlace(productId: $0[0], storeId: $0[1])
        }
        let found = try await inventory.list(
            filter, behind: last, limit: try request.pageLimit(doing: doing))
        return WebResponse.page(
            documents: found.documents,
            nextCursor: found.next.map { ListCursor.text([$0.productId, $0.storeId]) })
    }

    /// `{"inventory": […]}`, all or none.
    @Sendable private func set(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = InventoryRoutes.setting
        _ = try context.require(.inventoryWrite, doing: doing)
        let sent = try await request.list("inventory", upTo: Inventory.maximumLevels, doing: doing)
        var levels: [StockLevel] = []
        var seen: Set<[[UInt8]]> = []
        for (index, json) in sent.enumerated() {
            let level = try StockLevel(json, under: "inventory[\(index)]", doing: doing)
            guard seen.insert([Array(level.productId.utf8), Array(level.storeId.utf8)]).inserted else {
                throw Fault(
                    .invalid, doing: doing,
                    "the product '\(level.productId)' in the store '\(level.storeId)' is there twice",
                    field: "inventory[\(index)].storeId")
            }
            levels.append(level)
        }
        return try WebResponse.json(try await inventory.set(levels, at: clock.now()))
    }

    @Sendable private func put(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "set the stock level"
        _ = try context.require(.inventoryWrite, doing: doing)
        let level = try StockLevel(
            try await request.object(upTo: RequestLimits.bodyBytes, doing: doing), under: nil,
            place: try place(context, doing: doing), doing: doing)
        let (json, isNew) = try await inventory.put(level, at: clock.now())
        return WebResponse.json(text: ByteBuffer(string: json), status: isNew ? .created : .ok)
    }

    @Sendable private func remove(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "remove the stock level"
        _ = try context.require(.inventoryWrite, doing: doing)
        try await inventory.remove(try place(context, doing: doing))
        return WebResponse.empty()
    }

    private func place(_ context: WebContext, doing: String) throws -> StockPlace {
        StockPlace(
            productId: try context.ownID("productId", doing: doing),
            storeId: try context.ownID("storeId", doing: doing))
    }
}
