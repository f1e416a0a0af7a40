import Contract
import Hummingbird
import Kernel
import Web

/// A brand's backups, below `/api/admin/brands/:slug`: what there is, making one, trying one, restoring one,
/// and taking a restore back.
struct BackupRoutes: Sendable {
    let backups: Backups
    let brands: Brands
    let changes: Changes

    func add(to admin: RouterGroup<WebContext>) {
        addLists(to: admin)
        admin.post("brands/:slug/backups") { request, context in
            let doing = "back the brand up"
            let slug = try context.slug(doing: doing)
            let change = try await request.change(context, .operate, doing: doing)
            return try await changes.operation(change) {
                try await OperationPlan(of: backups.backingUp, on: slug, input: [:])
            } begin: { transaction in
                try await backups.backUp(slug, by: change.requestedBy, in: transaction)
            }
        }
        admin.post("brands/:slug/backups/verify") { request, context in
            let doing = "verify the backup"
            let slug = try context.slug(doing: doing)
            let change = try await request.change(
                BackupChoice.self, context, .operate, absent: BackupChoice(), doing: doing)
            return try await changes.operation(change) {
                try await OperationPlan(of: backups.drill, on: slug, input: [:])
            } begin: { transaction in
                try await backups.verify(
                    slug, change.body.backup, by: change.requestedBy, in: transaction)
            }
        }
        admin.post("brands/:slug/restore") { request, context in
            let doing = "restore the brand"
            let slug = try context.slug(doing: doing)
            let change = try await request.change(BackupRestore.self, context, .operate, doing: doing)
            return try await changes.operation(change) {
                try await backups.planRestore(slug, change.body)
            } begin: { transaction in
                try await backups.restore(slug, change.body, by: change.requestedBy, in: transaction)
            }
        }
        admin.post("brands/:slug/swap-back") { request, context in
            let doing = "swap the brand back"
            let slug = try context.slug(doing: doing)
            let change = try await request.change(context, .operate, doing: doing)
            return try await changes.operation(change) {
                try await backups.planSwapBack(slug)
            } begin: { transaction in
                try await backups.swapBack(slug, by: change.requestedBy, in: transaction)
            }
        }
    }

    private func addLists(to admin: RouterGroup<WebContext>) {
        admin.get("brands/:slug/backups") { request, context in
            let doing = "list the backups"
            let slug = try context.slug(doing: doing)
            try context.authenticated(doing: doing).require(.readBrand(slug.text), doing: doing)
            _ = try await brands.show(slug.text)
            let limit = try request.pageLimit(doing: doing)
            let cursor = try request.cursor(doing: doing).map { cursor in
                guard let id = UUIDv7(cursor.position) else {
                    throw Fault(
                        .invalid, doing: doing, "expected a nextCursor of an earlier page", field: "cursor")
                }
                return id
            }
            let found = try await backups.store.list(of: slug, before: cursor, limit: limit + 1)
            let items = Array(found.prefix(limit))
            let next = found.count > limit ? Cursor(items.last.map { "\($0.id)" }).text : nil
            return try WebResponse.json(Page(items: items, nextCursor: next))
        }
        admin.get("brands/:slug/backups/receipt") { _, context in
            let doing = "show the receipt"
            let slug = try context.slug(doing: doing)
            try context.authenticated(doing: doing).require(.readBrand(slug.text), doing: doing)
            _ = try await brands.show(slug.text)
            return try WebResponse.json(try await backups.receipt(slug))
        }
    }
}
