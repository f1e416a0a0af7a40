import Kernel
import Workflow

/// Makes operations of actions: remember what is meant, change it, then let what is follow.
///
/// Only the change is taken back, by writing what was remembered and letting what is follow that: the steps
/// behind it are idempotent and leave nothing of their own.
struct LifecycleSagas: Sendable {
    let intents: BrandIntentStore
    let instances: Instances

    /// The saga of every action.
    var all: [Saga] { BrandAction.all.map(saga) }

    /// The saga of one action.
    func saga(_ action: BrandAction) -> Saga {
        Saga(
            kind: action.kind, runbook: action.runbook,
            steps: [remember, change(action)] + action.consequences.map(step))
    }

    private static let remembered = "remember"

    private var remember: Step {
        Step(LifecycleSagas.remembered) { context in
            try await intents.read(Slug(context.subject)).output()
        } undo: { _ in
        }
    }

    private func change(_ action: BrandAction) -> Step {
        Step("change") { context in
            let before = try await intents.read(Slug(context.subject))
            return before.differences(to: intent(before, after: action, context)).map {
                PlannedEffect("control database", "update brand, instance: \($0)")
            } + [PlannedEffect("control database", "update instance: revision: raised by 1")]
        } perform: { context in
            let before = try BrandIntent(of: LifecycleSagas.remembered, in: context)
            try await intents.write(
                intent(before, after: action, context), of: Slug(context.subject), by: context.operation)
            return [:]
        } undo: { context in
            let slug = try Slug(context.subject)
            try await intents.write(
                BrandIntent(of: LifecycleSagas.remembered, in: context), of: slug, by: context.operation)
            try await instances.follow(slug)
        }
    }

    private func intent(
        _ before: BrandIntent, after action: BrandAction, _ context: StepContext
    ) -> BrandIntent {
        var after = before
        action.change(&after, context.input)
        return after
    }

    private func step(_ consequence: BrandAction.Consequence) -> Step {
        Step(consequence.rawValue) { context in
            try await instances.planned(consequence, Slug(context.subject))
        } perform: { context in
            try await instances.follow(consequence, Slug(context.subject))
            return [:]
        } undo: { _ in
        }
    }
}

extension Instances {
    /// Lets everything follow what is meant of the brand now.
    func follow(_ slug: Slug) async throws {
        for consequence in [BrandAction.Consequence.limitConnections, .project, .run] {
            try await follow(consequence, slug)
        }
    }

    /// Lets one thing follow.
    func follow(_ consequence: BrandAction.Consequence, _ slug: Slug) async throws {
        let instance = try await store.instance(slug)
        switch consequence {
        case .project: try await project(slug)
        case .limitConnections: try await tenants.limitConnections(instance)
        case .run: try await settle(instance)
        case .restart:
            // A daemon that resumes here may not know the unit yet.
            try await start(instance)
            try Failpoint.effect()
            try await supervisor.restart(slug.unitName)
        case .awaitReady:
            guard instance.runs else { return }
            // A daemon that resumes here may not know the unit yet.
            try await start(instance)
            try await awaitReady(slug)
        }
    }

    /// What `follow` would do, as things are meant before the operation.
    func planned(_ consequence: BrandAction.Consequence, _ slug: Slug) async throws -> [PlannedEffect] {
        let unit = slug.unitName
        return switch consequence {
        case .project:
            [
                PlannedEffect("brands database", "update \(slug.schemaName).brand_state"),
                PlannedEffect("brands database", "replace all rows of \(slug.schemaName).api_key"),
            ]
        case .limitConnections:
            [
                PlannedEffect(
                    "brands database", "alter role \(slug.runtimeRole) connection limit <of the plan>")
            ]
        case .run:
            [
                PlannedEffect("files", "write \(files.layout.instance(slug))/"),
                PlannedEffect("supervisor", "start or stop \(unit), as is meant"),
            ]
        case .restart: [PlannedEffect("supervisor", "restart \(unit)")]
        case .awaitReady: [PlannedEffect("supervisor", "wait until \(unit) is ready")]
        }
    }
}
