import Contract
import Kernel
import Logging
import Postgres
import Workflow

/// Beginning the operations that change a brand, and saying what they would do.
struct Lifecycle: Sendable {
    let intents: BrandIntentStore
    let operations: OperationStore
    let executor: SagaExecutor
    let sagas: LifecycleSagas
    let purging: Purging
    let releases: Releases
    let usage: Usage
    let settings: SettingsStore
    let clock: any WallClock

    /// How long a deleted brand can be undeleted when nothing else is said, and at most.
    static let graceDays = 30
    static let longestGraceDays = 365

    /// Begins `action` on the brand; the answer is the operation to follow, once the executor was poked.
    ///
    /// - Throws: `Fault.notFound`, `Fault.conflict` when the brand is not in a state for it or another
    ///   operation has it, `Fault.invalid` for what the input names and is not there.
    func begin(
        _ action: BrandAction, _ slug: Slug, input: Step.Output, by principal: String,
        in transaction: PostgresTransaction
    ) async throws -> OperationView {
        let input = try await checked(action, slug, input, in: transaction)
        return try await begin(sagas.saga(action), slug, input, by: principal, in: transaction)
    }

    /// What `begin` would do; it refuses what that would refuse.
    func plan(_ action: BrandAction, _ slug: Slug, input: Step.Output) async throws -> OperationPlan {
        let input = try await intents.pool.transaction { transaction in
            try await checked(action, slug, input, in: transaction)
        }
        return try await OperationPlan(of: sagas.saga(action), on: slug, input: input)
    }

    /// Ends a deleted brand's grace period now.
    func purge(
        _ slug: Slug, by principal: String, in transaction: PostgresTransaction
    ) async throws -> OperationView {
        try await checkPurge(slug, in: transaction)
        return try await begin(purging.saga, slug, [:], by: principal, in: transaction)
    }

    /// What `purge` would do.
    func planPurge(_ slug: Slug) async throws -> OperationPlan {
        try await intents.pool.transaction { try await checkPurge(slug, in: $0) }
        return try await OperationPlan(of: purging.saga, on: slug, input: [:])
    }

    /// Begins to purge the brands whose grace period has passed, and gives how many.
    @discardableResult
    func purgeDue(logger: Logger) async throws -> Int {
        var count = 0
        for slug in try await intents.due(limit: 100) {
            do {
                try await intents.pool.transaction { transaction in
                    _ = try await purge(slug, by: "constinteld", in: transaction)
                }
                executor.poke()
                count += 1
                logger.notice("the grace period has passed", metadata: ["brand": "\(slug)"])
            } catch let fault as Fault where fault.code == .conflict {
                // Somebody has undeleted it, or purges it, since it was found.
                continue
            }
        }
        return count
    }

    /// Begins to suspend the brands whose trial has ended, and gives how many.
    @discardableResult
    func endTrials(logger: Logger) async throws -> Int {
        var count = 0
        for slug in try await intents.trialsEnded(limit: 100) {
            do {
                try await intents.pool.transaction { transaction in
                    _ = try await begin(
                        .suspend, slug, input: ["reason": BrandAction.trialEnded], by: "constinteld",
                        in: transaction)
                }
                executor.poke()
                count += 1
                logger.notice("a trial has ended", metadata: ["brand": "\(slug)"])
            } catch let fault as Fault where fault.code == .conflict {
                // Somebody changes the brand since it was found.
                continue
            }
        }
        return count
    }

    private func begin(
        _ saga: Saga, _ slug: Slug, _ input: Step.Output, by principal: String,
        in transaction: PostgresTransaction
    ) async throws -> OperationView {
        let now = clock.now()
        let id = UUIDv7(at: now)
        try await operations.insert(
            OperationDraft(id: id, saga: saga, subject: slug.text, input: input, requestedBy: principal),
            in: transaction)
        return OperationView(
            id: OperationID(id), kind: saga.kind, subject: slug.text, state: .pending,
            requestedBy: principal, createdAt: now, updatedAt: now)
    }
}

extension Lifecycle {
    /// The input with what is chosen when an operation is asked for.
    private func checked(
        _ action: BrandAction, _ slug: Slug, _ input: Step.Output, in transaction: PostgresTransaction
    ) async throws -> Step.Output {
        let intent: BrandIntent
        do {
            intent = try await intents.read(slug, in: transaction)
            try action.check(intent)
        } catch let fault as Fault {
            throw Fault(fault.code, doing: action.doing, fault.detail, field: fault.field)
        }
        var input = try await settled(input, intent, slug, in: transaction)
        if let plan = input["plan"] {
            guard plan != intent.plan else {
                throw Fault(.conflict, doing: action.doing, "it has the plan '\(plan)' already")
            }
            guard let view = try await usage.plans.plan(plan, on: transaction) else {
                throw Fault(.invalid, doing: action.doing, "there is no plan '\(plan)'", field: "plan")
            }
            if input.removeValue(forKey: "acceptOver") != "true" {
                try await usage.requireFit(slug, under: plan, doing: action.doing)
            }
            input["initialStatus"] = view.initialStatus.rawValue
            if let days = view.trialDays { input["trialEndsAt"] = "\(clock.now() + .days(days))" }
        }
        if let release = input["release"] {
            try releases.check(release, doing: action.doing)
            guard release != intent.release ?? "" else {
                throw Fault(.conflict, doing: action.doing, "this release serves the brand already")
            }
        }
        return input
    }

    private func checkPurge(
        _ slug: Slug, in transaction: PostgresTransaction
    ) async throws {
        let doing = "purge the brand"
        do {
            let intent = try await intents.read(slug, in: transaction)
            guard intent.status == .deleted else {
                throw Fault(
                    .conflict, doing: doing,
                    "it is not deleted but \(intent.status.rawValue); delete it first")
            }
        } catch let fault as Fault {
            throw Fault(fault.code, doing: doing, fault.detail, field: fault.field)
        }
        let own = try await operations.unfinished(on: slug.backupSubject, in: transaction)
        let clone = try await operations.unfinished(Cloning.kind, with: "source", slug.text, in: transaction)
        if let open = own ?? clone {
            throw Fault(
                .conflict, doing: doing, "a \(open.kind) of it is going on ('\(open.id)'); wait, or unwind it"
            )
        }
    }
}

extension OperationPlan {
    /// What `saga` would do to the brand.
    init(of saga: Saga, on slug: Slug, input: Workflow.Step.Output) async throws {
        try await self.init(of: saga, on: slug.text, input: input)
    }

    /// The same of a saga that need not be about a brand.
    init(of saga: Saga, on subject: String, input: Workflow.Step.Output = [:]) async throws {
        let silent = Logger(label: "plan") { _ in SwiftLogNoOpLogHandler() }
        let steps = try await saga.plan(subject: subject, input: input, logger: silent).map { step in
            Step(
                name: step.name, isReversible: step.isReversible,
                effects: step.effects.map { Effect(target: $0.target, action: $0.action) })
        }.filter { !$0.effects.isEmpty }
        self.init(kind: saga.kind, subject: subject, steps: steps)
    }
}
