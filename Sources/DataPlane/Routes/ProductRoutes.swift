import Commerce
import Contract
import Hummingbird
import Kernel
import NIOCore
import Web

/// `/api/products`: what the brand sells.
struct ProductRoutes: Sendable {
    private static let setting = "set the products"

    let products: Products
    let clock: any WallClock

    func add(to router: RouterGroup<WebContext>) {
        router.get("products", use: list)
        router.post("products", use: set)
        router.get("products/:id", use: show)
        router.put("products/:id", use: put)
        router.delete("products/:id", use: remove)
    }

    @Sendable private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "list the products"
        _ = try context.require(.productsRead, doing: doing)
        var filter = Products.Filter()
        filter.category = try request.text("category", upTo: Product.categoryBytes, doing: doing)
        filter.isActive = try request.truth("active", doing: doing)
        let found = try await products.list(
            filter, behind: try request.cursor(ids: 1, doing: doing)?[0],
            limit: try request.pageLimit(doing: doing))
        return WebResponse.page(
            documents: found.documents, nextCursor: found.next.map { ListCursor.text([$0]) })
    }

    @Sendable private func show(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "show the product"
        _ = try context.require(.productsRead, doing: doing)
        let json = try await products.show(try context.ownID("id", doing: doing))
        return WebResponse.json(text: ByteBuffer(string: json))
    }

    /// `{"products": […]}`, all or none.
    @Sendable private func set(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = ProductRoutes.setting
        _ = try context.require(.productsWrite, doing: doing)
        let sent = try await request.list("products", upTo: Products.maximumProducts, doing: doing)
        var all: [Product] = []
        var seen: Set<[UInt8]> = []
        for (index, json) in sent.enumerated() {
            let product = try Product(json, under: "products[\(index)]", doing: doing)
            guard seen.insert(Array(product.productId.utf8)).inserted else {
                throw Fault(
                    .invalid, doing: doing, "the product '\(product.productId)' is there twice",
                    field: "products[\(index)].productId")
            }
            all.append(product)
        }
        return try WebResponse.json(try await products.set(all, at: clock.now()))
    }

    @Sendable private func put(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "set the product"
        _ = try context.require(.productsWrite, doing: doing)
        let product = try Product(
            try await request.object(upTo: RequestLimits.bodyBytes, doing: doing), under: nil,
            id: try context.ownID("id", doing: doing), doing: doing)
        let (json, isNew) = try await products.put(product, at: clock.now())
        return WebResponse.json(text: ByteBuffer(string: json), status: isNew ? .created : .ok)
    }

    /// With `inventory=true` the stores' stock levels of it go too.
    @Sendable private func remove(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "remove the product"
        _ = try context.require(.productsWrite, doing: doing)
        let isWhole = try request.truth("inventory", doing: doing) ?? false
        if isWhole { _ = try context.require(.inventoryWrite, doing: "remove the product's inventory") }
        let id = try context.ownID("id", doing: doing)
        return try WebResponse.json(try await products.remove(id, withInventory: isWhole))
    }
}
