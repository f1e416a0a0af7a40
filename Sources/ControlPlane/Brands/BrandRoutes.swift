import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/brands`.
struct BrandRoutes: Sendable {
    let brands: Brands

    func add(to admin: RouterGroup<WebContext>) {
        admin.post("brands") { request, context in
            let doing = BrandSpecification.doing
            let principal = try context.authenticated(doing: doing)
            try principal.require(.changeBrands, doing: doing)
            var request = request
            let key = try await request.idempotencyKey(principal, doing: doing)
            let draft = try await request.decode(BrandDraft.self, doing: doing)
            let answer = try await brands.create(draft, by: "\(principal)", key: key)
            var response = try WebResponse.json(answer, status: .accepted)
            response.headers[.location] = "/api/admin/operations/\(answer.answer.id)"
            return response
        }
        admin.get("brands") { request, context in
            let doing = "list brands"
            let principal = try context.authenticated(doing: doing)
            // A brand's own user sees a list of that one.
            if principal.brand == nil { try principal.require(.readPlatform, doing: doing) }
            return try WebResponse.json(
                try await brands.list(
                    only: principal.brand, after: request.cursor(doing: doing),
                    limit: request.pageLimit(doing: doing)))
        }
        admin.get("brands/:slug") { _, context in
            let slug = try context.parameter("slug")
            let doing = "show the brand"
            try context.authenticated(doing: doing).require(.readBrand(slug), doing: doing)
            return try WebResponse.json(try await brands.show(slug))
        }
    }
}
