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
        addMaking(to: admin)
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

    /// What makes a brand from a backup.
    private func addMaking(to admin: RouterGroup<WebContext>) {
        admin.post("brands/:slug/clone") { request, context in
            let slug = try context.slug(doing: BrandCopy.doing)
            let change = try await request.change(
                BrandClone.self, context, .changeBrands, doing: BrandCopy.doing)
            return try await changes.operation(change) {
                try await backups.planClone(slug, change.body)
            } begin: { transaction in
                try await backups.clone(slug, change.body, by: change.requestedBy, in: transaction)
            }
        }
        admin.post("brands/:slug/recover") { request, context in
            let slug = try context.slug(doing: Recovering.doing)
            let change = try await request.change(context, .operate, doing: Recovering.doing)
            return try await changes.operation(change) {
                try await OperationPlan(of: backups.recovery, on: slug, input: [:])
            } begin: { transaction in
                try await backups.recover(slug, by: change.requestedBy, in: transaction)
            }
        }
    }

    private func addLists(to admin: RouterGroup<WebContext>) {
        admin.get("brands/:slug/backups") { request, context in
            let doing = "list the backups"
            let slug = try context.slug(doing: doing)
            try context.authenticated(doing: doing).require(.readBrand(slug.text), doing: doing)
            _ = try await brands.show(slug.text)
            return try await backups.page(of: slug, request, doing: doing)
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

extension Backups {
    /// A page of the brand's backups, or, for nil, of the control plane's own.
    fileprivate func page(of slug: Slug?, _ request: Request, doing: String) async throws -> Response {
        let limit = try request.pageLimit(doing: doing)
        let cursor = try request.cursor(doing: doing).map { cursor in
            guard let id = UUIDv7(cursor.position) else {
                throw Fault(
                    .invalid, doing: doing, "expected a nextCursor of an earlier page", field: "cursor")
            }
            return id
        }
        let found = try await store.list(of: slug, before: cursor, limit: limit + 1)
        let items = Array(found.prefix(limit))
        let next = found.count > limit ? Cursor(items.last.map { "\($0.id)" }).text : nil
        return try WebResponse.json(Page(items: items, nextCursor: next))
    }
}

/// Backups of the control plane itself, and bringing a lost installation back: below `/api/admin/platform`.
struct ControlBackupRoutes: Sendable {
    let backups: Backups
    let recovery: PlatformRecovery
    let changes: Changes

    func add(to admin: RouterGroup<WebContext>) {
        admin.get("platform/backups") { request, context in
            let doing = "list the backups"
            try context.authenticated(doing: doing).require(.readPlatform, doing: doing)
            return try await backups.page(of: nil, request, doing: doing)
        }
        admin.post("platform/backups") { request, context in
            let change = try await request.change(context, .operate, doing: "back the control plane up")
            return try await changes.operation(change) {
                try await OperationPlan(of: backups.controlBackup, on: ControlBackingUp.subject)
            } begin: { transaction in
                try await backups.backUpControl(by: change.requestedBy, in: transaction)
            }
        }
        admin.post("platform/recover") { request, context in
            let change = try await request.change(context, .changePlatform, doing: PlatformRecovery.doing)
            return try await changes.answer(change) {
                OperationPlan(
                    kind: "platform.recover", subject: "platform",
                    effects: [
                        ("backup repository", "read the newest backup of the control plane"),
                        ("control database", "put its rows in the place of a new installation's"),
                        ("files", "write the installation's own keys"),
                        ("control database", "begin brand.recover for every brand"),
                    ])
            } _: { transaction in
                try await recovery.recover(by: change.requestedBy, in: transaction)
            } then: { _ in
                changes.executor.poke()
            }
        }
    }
}
