import Backup
import Contract
import Kernel
import Redis
import Workflow

/// `brand.restore` and `brand.swapBack`: another state of a brand takes the place of the one that serves,
/// which is kept aside.
///
/// What takes its place is made ready beside it, and only then does the brand stop, for as long as it takes
/// to bring over what came since and to fold that. Until the two change places, nothing of the brand is
/// touched; taken back afterwards, they change places again.
struct Restoring: Sendable {
    let instances: Instances
    let store: BackupStore
    let formers: FormerSchemaStore
    let repositories: BackupRepositories
    let scratch: ScratchSchemaStore
    let room: DiskRoom
    let carrying: CarryStore
    let refolder: Refolder
    let redis: RedisClient

    static let restoreKind = "brand.restore"
    static let swapBackKind = "brand.swapBack"
    static let runbook = "runbooks/restore-stuck.md"
    /// How long the former state is kept when nothing else is said.
    static let keptDays = 30

    var sagas: [Saga] { [restore, swapBack] }

    /// The state of a backup.
    var restore: Saga {
        Saga(
            kind: Restoring.restoreKind, runbook: Restoring.runbook,
            steps: [choose, load, stop, carry, refold, place, swap, keepFormer, refillStream] + following)
    }

    /// The state that the last of these has put aside.
    var swapBack: Saga {
        Saga(
            kind: Restoring.swapBackKind, runbook: Restoring.runbook,
            steps: [chooseFormer, stop, carry, refold, place, swap, keepFormer, forgetFormer] + following)
    }

    private static let chosen = ChosenArchive.choose

    private var choose: Step {
        Step(Restoring.chosen) { context in
            let slug = try Slug(context.subject)
            let id = context.input["backup"].flatMap { UUIDv7($0) }
            guard let backup = try await store.backup(of: slug, id) else {
                throw Fault(.notFound, doing: "restore the brand", "there is no such backup")
            }
            try room.require(for: backup, doing: "restore the brand")
            return try await output(
                slug, context, candidate: ScratchSchemaStore.restored(slug),
                ["snapshot": backup.snapshot, "hash": backup.manifestHash])
        } undo: { _ in
        }
    }

    private var chooseFormer: Step {
        Step(Restoring.chosen) { context in
            let slug = try Slug(context.subject)
            guard let former = try await formers.newest(of: slug) else {
                throw Fault(.notFound, doing: "swap the brand back", "no former state of it is kept")
            }
            return try await output(
                slug, context, candidate: former.name,
                [
                    "operation": "\(former.operation)", "reason": former.reason, "since": "\(former.since)",
                    "keepUntil": "\(former.keepUntil)",
                ])
        } undo: { _ in
        }
    }

    private func output(
        _ slug: Slug, _ context: StepContext, candidate: String, _ more: Step.Output
    ) async throws -> Step.Output {
        let instance = try await instances.store.instance(slug)
        return [
            "brand": "\(instance.brand)", "candidate": candidate, "generation": "\(instance.generation)",
            "former": ScratchSchemaStore.former(slug, context.operation),
        ].merging(more) { $1 }
    }

    private var archive: ChosenArchive { ChosenArchive(repositories: repositories) }

    private var load: Step {
        .loading(archive, instances, scratch, into: ScratchSchemaStore.restored, raised: 1) { context in
            try await scratch.drop(
                ScratchSchemaStore.restored(Slug(context.subject)), of: context.brand(of: Restoring.chosen))
        }
    }

    /// From here the brand's requests wait or are told to come again.
    private var stop: Step {
        Step("stop") { context in
            [PlannedEffect("supervisor", "stop \(try Slug(context.subject).unitName)")]
        } perform: { context in
            try await instances.stop(Slug(context.subject))
            return [:]
        } undo: { context in
            try await instances.follow(Slug(context.subject))
        }
    }

    private var carry: Step {
        Step("carry", limit: BackingUp.limit) { context in
            let slug = try Slug(context.subject)
            return context.input["discardLater"] == "true"
                ? []
                : [
                    PlannedEffect(
                        "brands database", "copy events and decisions since then from \(slug.schemaName)")
                ]
        } perform: { context in
            let slug = try Slug(context.subject)
            let chosen = try Chosen(context)
            if context.input["discardLater"] == "true" {
                try await carrying.goOn(behind: slug.schemaName, in: chosen.candidate, of: slug)
                return ["events": "0", "decisions": "0"]
            }
            let carried = try await carrying.carry(from: slug.schemaName, into: chosen.candidate, of: slug)
            return ["events": "\(carried.events)", "decisions": "\(carried.decisions)"]
        } undo: { _ in
        }
    }

    private var refold: Step {
        Step("refold", limit: BackingUp.limit) { context in
            [PlannedEffect("brands database", "fold what is to serve anew")]
        } perform: { context in
            let slug = try Slug(context.subject)
            let chosen = try Chosen(context)
            let instance = try await instances.store.instance(slug)
            try await scratch.open(chosen.candidate, to: slug, generation: chosen.generation + 1)
            if let projection = try await instances.projection(slug) {
                try await instances.tenants.write(projection, to: chosen.candidate)
            }
            let report = try await refolder.refold(
                chosen.candidate, of: instance, applied: true, generation: chosen.generation + 1)
            return ["differences": "\(report.differences.reduce(0) { $0 + $1.count })"]
        } undo: { context in
            try refolder.forget(Chosen(context).candidate)
        }
    }

    /// A process of the former placement that comes back cannot write any more.
    private var place: Step {
        Step("place") { _ in
            [PlannedEffect("control database", "update instance: generation: raised by 1")]
        } perform: { context in
            try await instances.store.place(
                Slug(context.subject), generation: Chosen(context).generation + 1)
            try Failpoint.effect()
            return [:]
        } undo: { context in
            try await instances.store.place(Slug(context.subject), generation: Chosen(context).generation)
        }
    }

    private var swap: Step {
        Step("swap", limit: BackingUp.limit) { context in
            let slug = try Slug(context.subject)
            return [
                PlannedEffect("brands database", "alter schema \(slug.schemaName) rename to <former>"),
                PlannedEffect("brands database", "alter schema <restored> rename to \(slug.schemaName)"),
            ]
        } perform: { context in
            let slug = try Slug(context.subject)
            let chosen = try Chosen(context)
            try await scratch.swap(
                in: chosen.candidate, former: chosen.former, instances.store.instance(slug),
                generation: chosen.generation + 1)
            return [:]
        } undo: { context in
            try await takeBack(context)
        }
    }

    /// Whatever serves by now serves from what goes, and has maybe stored what came meanwhile: that is
    /// brought back with the former state.
    private func takeBack(_ context: StepContext) async throws {
        let chosen = try Chosen(context)
        let slug = try Slug(context.subject)
        guard try await scratch.exists(chosen.former) else { return }
        try await instances.stop(slug)
        let instance = try await instances.store.instance(slug)
        try await scratch.open(chosen.former, to: slug, generation: chosen.generation)
        _ = try await carrying.carry(from: slug.schemaName, into: chosen.former, of: slug)
        _ = try await refolder.refold(
            chosen.former, of: instance, applied: true, generation: chosen.generation)
        try await scratch.swapBack(to: chosen.candidate, former: chosen.former, slug)
    }

    private var keepFormer: Step {
        Step("keepFormer") { context in
            [PlannedEffect("control database", "insert former_schema of '\(context.subject)'")]
        } perform: { context in
            let now = formers.clock.now()
            let keepDays = context.input["keepDays"].flatMap { Int($0) } ?? Restoring.keptDays
            try await formers.insert(
                .init(
                    name: Chosen(context).former, slug: Slug(context.subject),
                    brand: context.brand(of: Restoring.chosen), operation: context.operation,
                    reason: context.outputs["load"] == nil ? "swapped back" : "restored", since: now,
                    keepUntil: now + .days(keepDays)))
            return [:]
        } undo: { context in
            try await formers.delete(Chosen(context).former)
        }
    }

    /// What serves now is aside no more.
    private var forgetFormer: Step {
        Step("forgetFormer") { context in
            [PlannedEffect("control database", "delete former_schema of what serves")]
        } perform: { context in
            try await formers.delete(Chosen(context).candidate)
            return [:]
        } undo: { context in
            func chosen(_ key: String) throws -> String { try context.output(key, of: Restoring.chosen) }
            let now = formers.clock.now()
            try await formers.insert(
                .init(
                    name: Chosen(context).candidate, slug: Slug(context.subject),
                    brand: context.brand(of: Restoring.chosen),
                    operation: UUIDv7(chosen("operation")) ?? context.operation, reason: chosen("reason"),
                    since: Timestamp(rfc3339: chosen("since")) ?? now,
                    keepUntil: Timestamp(rfc3339: chosen("keepUntil")) ?? now))
        }
    }

    private var refillStream: Step { .refillingStream(redis, from: archive) }

    private var following: [Step] { Step.serving(instances) }

    /// What the first step has chosen.
    private struct Chosen {
        let candidate: String
        let former: String
        /// Of the placement that serves before.
        let generation: Int64

        init(_ context: StepContext) throws {
            candidate = try context.output("candidate", of: Restoring.chosen)
            former = try context.output("former", of: Restoring.chosen)
            generation = Int64(try context.output("generation", of: Restoring.chosen)) ?? 1
        }
    }
}
