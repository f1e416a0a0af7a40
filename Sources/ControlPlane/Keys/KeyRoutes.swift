import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/brands/:slug/keys`.
struct KeyRoutes: Sendable {
    let brands: Brands
    let keys: Keys

    func add(to admin: RouterGroup<WebContext>) {
        admin.post("brands/:slug/keys") { request, context in
            let doing = KeySpecification.doing
            let (principal, brand) = try await authorized(context, doing: doing)
            var request = request
            let key = try await request.idempotencyKey(principal, doing: doing)
            let draft = try await request.decode(KeyDraft.self, doing: doing)
            return try WebResponse.json(
                try await keys.create(draft, for: brand, key: key), status: .created)
        }
        admin.get("brands/:slug/keys") { request, context in
            let doing = "list the brand's keys"
            let slug = try context.parameter("slug")
            let principal = try context.authenticated(doing: doing)
            if !principal.may(.readPlatform) { try principal.require(.manageKeys(slug), doing: doing) }
            return try WebResponse.json(
                try await keys.list(
                    of: brands.brand(slug, doing: doing), after: request.cursor(doing: doing),
                    limit: request.pageLimit(doing: doing)))
        }
        admin.delete("brands/:slug/keys/:publicId") { _, context in
            let (_, brand) = try await authorized(context, doing: "revoke the key")
            try await keys.revoke(context.parameter("publicId"), of: brand)
            return WebResponse.empty()
        }
    }

    private func authorized(_ context: WebContext, doing: String) async throws -> (Principal, Brand) {
        let slug = try context.parameter("slug")
        let principal = try context.authenticated(doing: doing)
        try principal.require(.manageKeys(slug), doing: doing)
        return (principal, try await brands.brand(slug, doing: doing))
    }
}
