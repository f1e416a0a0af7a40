import Contract
import Hummingbird
import Kernel
import Web
import Workflow

/// What describes a brand, its history, and changing it: `PATCH /api/admin/brands/:slug` and
/// `/api/admin/brands/:slug/settings`. Its owners may, and administrators.
struct SettingsRoutes: Sendable {
    let lifecycle: Lifecycle
    let changes: Changes

    func add(to admin: RouterGroup<WebContext>) {
        admin.patch("brands/:slug") { request, context in
            let doing = BrandAction.update.doing
            let slug = try context.slug(doing: doing)
            let change = try await request.change(
                BrandChange.self, context, .changeSettings(slug.text), doing: doing)
            return try await begin(change, slug, input: change.body.input())
        }
        admin.post("brands/:slug/settings/revert") { request, context in
            let doing = BrandAction.update.doing
            let slug = try context.slug(doing: doing)
            let change = try await request.change(
                SettingsRevert.self, context, .changeSettings(slug.text), doing: doing)
            return try await begin(change, slug, input: ["revert": "\(change.body.version)"])
        }
        admin.get("brands/:slug/settings") { _, context in
            let doing = "show the brand's settings"
            let slug = try context.slug(doing: doing)
            try context.authenticated(doing: doing).require(.readBrand(slug.text), doing: doing)
            return try WebResponse.json(try await present(slug, doing: doing))
        }
        admin.get("brands/:slug/settings/history") { request, context in
            let doing = "show the history of the brand's settings"
            let slug = try context.slug(doing: doing)
            try context.authenticated(doing: doing).require(.readBrand(slug.text), doing: doing)
            _ = try await present(slug, doing: doing)
            let limit = try request.pageLimit(doing: doing)
            let found = try await lifecycle.settings.history(
                slug, before: try version(request.cursor(doing: doing), doing: doing), limit: limit + 1)
            let items = Array(found.prefix(limit))
            let next = found.count > limit ? Cursor(items.last.map { "\($0.version)" }).text : nil
            return try WebResponse.json(Page(items: items, nextCursor: next))
        }
    }

    private func begin(
        _ change: ChangeRequest<some JSONBody>, _ slug: Slug, input: Step.Output
    ) async throws -> Response {
        try await changes.operation(change) {
            try await lifecycle.plan(.update, slug, input: input)
        } begin: { transaction in
            try await lifecycle.begin(.update, slug, input: input, by: change.requestedBy, in: transaction)
        }
    }

    private func present(_ slug: Slug, doing: String) async throws -> BrandSettingsView {
        guard let view = try await lifecycle.settings.present(slug) else {
            throw Fault(.notFound, doing: doing, "there is no brand '\(slug)'")
        }
        return view
    }

    private func version(_ cursor: Cursor?, doing: String) throws(Fault) -> Int64? {
        guard let cursor else { return nil }
        guard let version = Int64(cursor.position) else {
            throw Fault(.invalid, doing: doing, "expected a nextCursor of an earlier page", field: "cursor")
        }
        return version
    }
}
