import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/plans`, and what brands use of them.
struct PlanRoutes: Sendable {
    let plans: Plans
    let usage: Usage
    let changes: Changes

    func add(to admin: RouterGroup<WebContext>) {
        admin.get("plans") { _, context in
            let doing = "list the plans"
            try context.authenticated(doing: doing).require(.readPlatform, doing: doing)
            return try WebResponse.json(Page(items: try await plans.list(), nextCursor: nil))
        }
        admin.get("plans/:name") { _, context in
            let doing = "show the plan"
            try context.authenticated(doing: doing).require(.readPlatform, doing: doing)
            return try WebResponse.json(try await plans.plan(context.parameter("name"), doing: doing))
        }
        admin.put("plans/:name") { request, context in
            let change = try await request.change(
                PlanDraft.self, context, .changeBrands, doing: Plans.writing)
            let plan = try plans.checked(change.body, name: context.parameter("name"))
            return try await write(plan, over: change.body.version, change)
        }
        admin.post("plans/:name/reset") { request, context in
            let doing = "reset the plan"
            let change = try await request.change(context, .changeBrands, doing: doing)
            let present = try await plans.plan(context.parameter("name"), doing: doing)
            return try await write(
                plans.installed(present.name, doing: doing), over: present.version, change)
        }
        admin.delete("plans/:name") { request, context in
            let change = try await request.change(context, .changeBrands, doing: Plans.deleting)
            let plan = try await plans.plan(context.parameter("name"), doing: change.doing)
            return try await changes.answer(change, status: .noContent) {
                effects("plan.delete", plan.name, ["delete plan '\(plan.name)'"])
            } _: { transaction in
                try await plans.delete(plan.name, in: transaction)
                return NoBody()
            }
        }
        admin.get("brands/:slug/usage") { request, context in
            let slug = try context.parameter("slug")
            try context.authenticated(doing: Usage.doing).require(.readBrand(slug), doing: Usage.doing)
            return try WebResponse.json(try await usage.show(slug, under: request.query("plan")))
        }
    }

    private func write(
        _ plan: Plan, over version: Int?, _ change: ChangeRequest<some JSONBody>
    ) async throws -> Response {
        let brands = try await plans.store.plan(plan.name, on: plans.store.pool)?.brands ?? 0
        return try await changes.answer(change) {
            effects(
                "plan.write", plan.name,
                ["write plan '\(plan.name)'", "update instance: revision: raised by 1 for \(brands) brands"])
        } _: { transaction in
            try await plans.write(plan, over: version, in: transaction)
        } then: { _ in
            plans.reconciler.poke()
        }
    }

    private func effects(_ kind: String, _ name: String, _ actions: [String]) -> OperationPlan {
        OperationPlan(kind: kind, subject: name, effects: actions.map { ("control database", $0) })
    }
}
