import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/brands/:slug/keys`, and the report of leaked keys of any brand.
struct KeyRoutes: Sendable {
    let brands: Brands
    let keys: Keys
    let changes: Changes

    private static let remembered = "shown once, when the key was created"

    func add(to admin: RouterGroup<WebContext>) {
        admin.post("brands/:slug/keys", use: create)
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
        admin.post("brands/:slug/keys/:publicId/rotate", use: rotate)
        admin.delete("brands/:slug/keys/:publicId") { request, context in
            let slug = try context.parameter("slug")
            let change = try await request.change(context, .manageKeys(slug), doing: Keys.revoking)
            let brand = try await brands.brand(slug, doing: change.doing)
            let publicId = try context.parameter("publicId")
            return try await changes.answer(change, status: .noContent) {
                plan("key.revoke", brand, ["update api_key '\(publicId)': revoked_at: now"])
            } _: { transaction in
                try await keys.revoke(publicId, of: brand, in: transaction)
                return NoBody()
            } then: { _ in
                try await keys.projectRevocation(of: brand.slug)
            }
        }
        admin.post("keys/report-leak", use: reportLeak)
    }

    @Sendable private func create(_ request: Request, _ context: WebContext) async throws -> Response {
        let slug = try context.parameter("slug")
        let change = try await request.change(
            KeyDraft.self, context, .manageKeys(slug), doing: KeySpecification.doing)
        let brand = try await brands.brand(slug, doing: change.doing)
        let key = try keys.mint(change.body, for: brand)
        return try await changes.answer(change, status: .created) {
            plan("key.create", brand, ["insert api_key '\(change.body.name)' as <chosen>"])
        } remembered: {
            KeyCreated(key: KeyRoutes.remembered, view: $0.view)
        } _: { transaction in
            try await keys.create(key, for: brand, in: transaction)
        } then: { made in
            AuditNote.add(detail: "key \(made.view.publicId)")
            await keys.projectCreation(for: brand)
        }
    }

    @Sendable private func rotate(_ request: Request, _ context: WebContext) async throws -> Response {
        let slug = try context.parameter("slug")
        let change = try await request.change(
            APIKeyRotation.self, context, .manageKeys(slug), absent: APIKeyRotation(), doing: Keys.rotating)
        let brand = try await brands.brand(slug, doing: change.doing)
        let publicId = try context.parameter("publicId")
        let overlap = try Keys.overlap(change.body)
        return try await changes.answer(change, status: .created) {
            let seconds = Int(overlap.inSeconds)
            return plan(
                "key.rotate", brand,
                [
                    "insert api_key as <chosen>, like '\(publicId)': replaces: \(publicId)",
                    "in \(seconds) seconds at the latest, api_key '\(publicId)' expires",
                ])
        } remembered: {
            KeyCreated(key: KeyRoutes.remembered, view: $0.view)
        } _: { transaction in
            try await keys.rotate(publicId, of: brand, overlap: overlap, in: transaction)
        } then: { made in
            AuditNote.add(detail: "key \(made.view.publicId) in place of \(publicId)")
            await keys.projectCreation(for: brand)
        }
    }

    @Sendable private func reportLeak(_ request: Request, _ context: WebContext) async throws -> Response {
        let change = try await request.change(
            KeyLeakReport.self, context, .reportLeaks, doing: KeyLeaks.doing)
        let leaks = KeyLeaks(keys: keys)
        let report = try leaks.read(change.body)
        return try await changes.answer(change) {
            let answer = try await leaks.outcomes(
                of: report, by: change.principal, on: keys.store.pool
            ).answer
            return OperationPlan(
                kind: "key.report-leak", subject: report.source,
                effects: answer.keys.map { key in
                    let action = key.outcome == .revoked ? "revoked_at: now" : key.outcome.rawValue
                    return ("control database", "api_key '\(key.publicId)' of '\(key.brand)': \(action)")
                })
        } _: { transaction in
            try await leaks.revoke(report, by: change.principal, in: transaction)
        } then: { answer in
            let count = answer.keys.count { $0.outcome == .revoked }
            AuditNote.add(detail: "\(count) of \(answer.keys.count) keys revoked, says \(report.source)")
            try await leaks.project(answer)
        }
    }

    private func plan(_ kind: String, _ brand: Brand, _ actions: [String]) -> OperationPlan {
        OperationPlan(
            kind: kind, subject: brand.slug.text,
            effects: actions.map { ("control database", $0) } + [
                ("brands database", "replace all rows of \(brand.slug.schemaName).api_key")
            ])
    }
}
