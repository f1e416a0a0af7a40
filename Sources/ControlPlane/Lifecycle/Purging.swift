import Contract
import Kernel
import Workflow

/// `brand.purge`: a deleted brand's data goes for good. What is gone cannot come back, so it only goes
/// forward; each step treats "already gone" as done.
struct Purging: Sendable {
    let intents: BrandIntentStore
    let instances: Instances
    let streamUsers: StreamUsers
    let repositories: BackupRepositories

    static let kind = "brand.purge"

    var saga: Saga {
        Saga(
            kind: Purging.kind, runbook: "runbooks/brand-purge-stuck.md",
            steps: [
                note, stopInstance, deleteStreamUser, dropSchema, dropRoles, removeFiles, deleteBackups,
                retire,
            ])
    }

    /// The brand's id, by which roles and schema are known to be its own. Nothing is gone yet.
    private var note: Step {
        Step("note") { context in
            ["brand": "\(try await instances.store.instance(Slug(context.subject)).brand)"]
        } undo: { _ in
        }
    }

    private var stopInstance: Step {
        Step("stopInstance") { context in
            [PlannedEffect("supervisor", "stop \(try Slug(context.subject).unitName)")]
        } perform: { context in
            try await instances.stop(Slug(context.subject))
            return [:]
        } undo: { _ in
        }
    }

    private var deleteStreamUser: Step {
        forGood("deleteStreamUser") { context in
            let slug = try Slug(context.subject)
            return [
                PlannedEffect("redis", "ACL DELUSER \(slug.redisUser)"),
                PlannedEffect("redis", "UNLINK \(slug.redisPrefix)*"),
            ]
        } perform: { context in
            try await streamUsers.delete(Slug(context.subject))
        }
    }

    private var dropSchema: Step {
        forGood("dropSchema") { context in
            [
                PlannedEffect(
                    "brands database", "drop schema \(try Slug(context.subject).schemaName) cascade")
            ]
        } perform: { context in
            try await instances.tenants.dropSchema(Slug(context.subject), of: brand(context))
        }
    }

    private var dropRoles: Step {
        forGood("dropRoles") { context in
            let slug = try Slug(context.subject)
            return [slug.runtimeRole, slug.ownerRole].map {
                PlannedEffect("brands database", "drop owned by \($0) cascade; drop role \($0)")
            }
        } perform: { context in
            try await instances.tenants.dropRoles(Slug(context.subject), of: brand(context))
        }
    }

    private var removeFiles: Step {
        forGood("removeFiles") { context in
            instances.files.paths(try Slug(context.subject)).map { PlannedEffect("files", "remove \($0)") }
        } perform: { context in
            let slug = try Slug(context.subject)
            try await instances.supervisor.clean(slug.unitName)
            try instances.files.remove(slug)
        }
    }

    /// What is gone for good is not in a repository either.
    private var deleteBackups: Step {
        forGood("deleteBackups", limit: BackingUp.limit) { context in
            let location = repositories.brand(try Slug(context.subject)).location
            return [PlannedEffect("backup repository", "remove \(location)")]
        } perform: { context in
            try Failpoint.effect()
            try await repositories.brand(Slug(context.subject)).remove()
        }
    }

    private var retire: Step {
        forGood("retire") { context in
            [
                PlannedEffect(
                    "control database",
                    "delete brand '\(context.subject)' with its instance, keys, users and operations"),
                PlannedEffect("control database", "insert retired_slug '\(context.subject)'"),
            ]
        } perform: { context in
            try await intents.retire(Slug(context.subject), except: context.operation)
        }
    }

    /// A step that nothing takes back.
    private func forGood(
        _ name: String, limit: Duration? = nil,
        plan: @escaping @Sendable (StepContext) async throws -> [PlannedEffect],
        perform: @escaping @Sendable (StepContext) async throws -> Void
    ) -> Step {
        Step(
            name, limit: limit, plan: plan,
            perform: { context in
                try await perform(context)
                return [:]
            }, undo: nil)
    }

    private func brand(_ context: StepContext) throws -> BrandID {
        try context.brand(of: "note")
    }
}

extension StepContext {
    /// The brand's id that the step `step` noted.
    func brand(of step: String) throws(Fault) -> BrandID {
        guard let id = BrandID(try output("brand", of: step)) else {
            throw Fault(.internal, doing: "go on with the operation", "the brand's id is malformed")
        }
        return id
    }
}
