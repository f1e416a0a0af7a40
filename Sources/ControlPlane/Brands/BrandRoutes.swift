import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/brands`.
struct BrandRoutes: Sendable {
    let brands: Brands
    let changes: Changes

    func add(to admin: RouterGroup<WebContext>) {
        admin.post("brands") { request, context in
            let change = try await request.change(
                BrandDraft.self, context, .changeBrands, doing: BrandSpecification.doing)
            return try await changes.operation(change) {
                try await brands.plan(change.body)
            } begin: { transaction in
                try await brands.create(change.body, by: change.requestedBy, in: transaction)
            }
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
        admin.get("releases") { _, context in
            let doing = "list the releases"
            try context.authenticated(doing: doing).require(.operate, doing: doing)
            return try WebResponse.json(Page(items: try await brands.releases(), nextCursor: nil))
        }
        admin.post("brands/:slug/instance/pause") { request, context in
            let doing = "pause the instance"
            let slug = try context.slug(doing: doing)
            let change = try await request.change(ReasonBody.self, context, .operate, doing: doing)
            let reason = try FieldRules.text(change.body.reason, field: "reason", doing: doing)
            return try await pause(slug, reason: reason, change)
        }
        admin.post("brands/:slug/instance/unpause") { request, context in
            let doing = "unpause the instance"
            let slug = try context.slug(doing: doing)
            return try await pause(
                slug, reason: nil, try await request.change(context, .operate, doing: doing))
        }
        admin.get("brands/:slug") { _, context in
            let slug = try context.parameter("slug")
            let doing = "show the brand"
            try context.authenticated(doing: doing).require(.readBrand(slug), doing: doing)
            return try WebResponse.json(try await brands.show(slug))
        }
    }
    private func pause(
        _ slug: Slug, reason: String?, _ change: ChangeRequest<some JSONBody>
    ) async throws -> Response {
        try await changes.answer(change) {
            OperationPlan(
                kind: reason == nil ? "instance.unpause" : "instance.pause", subject: slug.text,
                effects: [
                    ("control database", "update instance: paused_reason: \(reason ?? "none")")
                ])
        } _: { transaction in
            try await brands.pause(slug, reason: reason, in: transaction)
        } then: { _ in
            brands.reconciler.poke(slug)
        }
    }
}
