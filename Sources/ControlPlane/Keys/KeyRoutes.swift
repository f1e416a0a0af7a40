import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/brands/:slug/keys`.
struct KeyRoutes: Sendable {
    let brands: Brands
    let keys: Keys
    let changes: Changes

    func add(to admin: RouterGroup<WebContext>) {
        admin.post("brands/:slug/keys") { request, context in
            let slug = try context.parameter("slug")
            let change = try await request.change(
                KeyDraft.self, context, .manageKeys(slug), doing: KeySpecification.doing)
            let brand = try await brands.brand(slug, doing: change.doing)
            let key = try keys.mint(change.body, for: brand)
            return try await changes.answer(change, status: .created) {
                plan("key.create", brand, "insert api_key '\(change.body.name)' as <chosen>")
            } remembered: {
                KeyCreated(key: "shown once, when the key was created", view: $0.view)
            } _: { transaction in
                try await keys.create(key, for: brand, in: transaction)
            } then: { made in
                AuditNote.add(detail: "key \(made.view.publicId)")
                await keys.projectCreation(for: brand)
            }
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
        admin.delete("brands/:slug/keys/:publicId") { request, context in
            let slug = try context.parameter("slug")
            let change = try await request.change(context, .manageKeys(slug), doing: Keys.revoking)
            let brand = try await brands.brand(slug, doing: change.doing)
            let publicId = try context.parameter("publicId")
            return try await changes.answer(change, status: .noContent) {
                plan("key.revoke", brand, "update api_key '\(publicId)': revoked_at: now")
            } _: { transaction in
                try await keys.revoke(publicId, of: brand, in: transaction)
                return NoBody()
            } then: { _ in
                try await keys.projectRevocation(of: brand)
            }
        }
    }
    private func plan(_ kind: String, _ brand: Brand, _ action: String) -> OperationPlan {
        OperationPlan(
            kind: kind, subject: brand.slug.text,
            effects: [
                ("control database", action),
                ("brands database", "replace all rows of \(brand.slug.schemaName).api_key"),
            ])
    }
}
