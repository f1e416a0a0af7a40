import Contract
import Foundation
import HTTPTypes
import Hummingbird
import Kernel
import Web
import Workflow

/// What changes a brand under `/api/admin/brands/:slug`: each answers 202 with an operation to follow, or,
/// with `?plan=true`, 200 with what that would do.
struct LifecycleRoutes: Sendable {
    let lifecycle: Lifecycle
    let changes: Changes
    let clock: any WallClock

    func add(to admin: RouterGroup<WebContext>) {
        add(.suspend, admin, .post, "suspend", ReasonBody.self) { body, doing in
            ["reason": try FieldRules.text(body.reason, field: "reason", doing: doing)]
        }
        add(.resume, admin, .post, "resume")
        add(.changePlan, admin, .post, "plan", PlanChange.self) { body, _ in
            ["plan": body.plan, "acceptOver": "\(body.acceptOver ?? false)"]
        }
        add(.extendTrial, admin, .post, "trial", TrialChange.self) { body, doing in
            guard (1...Plan.longestTrialDays).contains(body.days) else {
                throw Fault(
                    .invalid, doing: doing, "expected 1 to \(Plan.longestTrialDays) days", field: "days")
            }
            return ["trialEndsAt": "\(clock.now() + .days(body.days))"]
        }
        add(.delete, admin, .delete, "", BrandDeletion.self, absent: BrandDeletion()) { body, doing in
            try deletion(body, doing: doing)
        }
        add(.undelete, admin, .post, "undelete")
        for (name, action) in [
            ("start", BrandAction.start), ("stop", .stop), ("restart", .restart), ("rollback", .rollBack),
        ] {
            add(action, admin, .post, "instance/\(name)", permission: .operate)
        }
        add(.upgrade, admin, .post, "instance/upgrade", permission: .operate, ReleaseChange.self) {
            body, doing in
            guard !body.release.isEmpty else {
                throw Fault(
                    .invalid, doing: doing, "expected 'current' or a release's name", field: "release")
            }
            return ["release": body.release == "current" ? "" : body.release]
        }
        addPurge(to: admin)
    }

    private func addPurge(to admin: RouterGroup<WebContext>) {
        admin.post("brands/:slug/purge") { request, context in
            let doing = "purge the brand"
            let slug = try context.slug(doing: doing)
            let change = try await request.change(BrandPurge.self, context, .changeBrands, doing: doing)
            guard change.body.confirm == slug.text else {
                throw Fault(.invalid, doing: doing, "expected the brand's slug once more", field: "confirm")
            }
            return try await changes.operation(change) {
                try await lifecycle.planPurge(slug)
            } begin: { transaction in
                try await lifecycle.purge(slug, by: change.requestedBy, in: transaction)
            }
        }
    }

    private func add(
        _ action: BrandAction, _ admin: RouterGroup<WebContext>, _ method: HTTPRequest.Method, _ path: String,
        permission: Permission = .changeBrands
    ) {
        add(action, admin, method, path, permission: permission, NoBody.self, absent: NoBody()) { _, _ in
            [:]
        }
    }

    private func add<Body: JSONBody>(
        _ action: BrandAction, _ admin: RouterGroup<WebContext>, _ method: HTTPRequest.Method, _ path: String,
        permission: Permission = .changeBrands, _: Body.Type, absent: Body? = nil,
        input: @escaping @Sendable (Body, String) throws -> Step.Output
    ) {
        admin.on(RouterPath("brands/:slug" + (path.isEmpty ? "" : "/\(path)")), method: method) {
            request, context in
            let slug = try context.slug(doing: action.doing)
            let change = try await request.change(
                Body.self, context, permission, absent: absent, doing: action.doing)
            let input = try input(change.body, action.doing)
            return try await changes.operation(change) {
                try await lifecycle.plan(action, slug, input: input)
            } begin: { transaction in
                try await lifecycle.begin(action, slug, input: input, by: change.requestedBy, in: transaction)
            }
        }
    }

    private func deletion(_ body: BrandDeletion, doing: String) throws(Fault) -> Step.Output {
        let days = body.graceDays ?? Lifecycle.graceDays
        guard (0...Lifecycle.longestGraceDays).contains(days) else {
            throw Fault(
                .invalid, doing: doing, "expected 0 to \(Lifecycle.longestGraceDays) days", field: "graceDays"
            )
        }
        return ["purgeAfter": "\(clock.now() + .seconds(days * 86_400))"]
    }
}

extension WebContext {
    /// The brand's slug in the path.
    ///
    /// - Throws: `Fault.notFound` for what cannot be one.
    func slug(doing: String) throws -> Slug {
        let text = try parameter("slug")
        guard let slug = try? Slug(text) else {
            throw Fault(.notFound, doing: doing, "there is no brand '\(text.prefix(40))'")
        }
        return slug
    }
}
