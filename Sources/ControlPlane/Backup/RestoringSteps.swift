import Backup
import Contract
import Kernel
import Redis
import Workflow

/// The archive that an operation restores: of the snapshot that its step `choose` has chosen.
struct ChosenArchive: Sendable {
    /// The step that has chosen it.
    static let choose = "choose"

    let repositories: BackupRepositories
    /// Whose repository it is in.
    var owner: @Sendable (StepContext) throws -> Slug = { try Slug($0.subject) }
    /// Whether the control plane knows the hash of its manifest: not where all but the repository was lost.
    var isKnown = true

    /// Reads it from its beginning.
    func read<Value: Sendable>(
        _ context: StepContext, _ consume: @escaping @Sendable (ArchiveReader) async throws -> Value
    ) async throws -> Value {
        try await repositories.brand(owner(context)).read(
            context.output("snapshot", of: ChosenArchive.choose), consume)
    }
}

extension Step {
    /// Makes a schema and fills it with the archive's rows.
    ///
    /// - Parameters:
    ///   - schema: where to, by the brand's slug.
    ///   - source: whose backup it is, where it is not the brand's own.
    ///   - raised: by how much the generation that is to serve from it is above the brand's own.
    ///   - undo: takes the schema away.
    static func loading(
        _ archive: ChosenArchive, _ instances: Instances, _ scratch: ScratchSchemaStore,
        into schema: @escaping @Sendable (Slug) -> String,
        from source: @escaping @Sendable (StepContext) throws -> BrandID? = { _ in nil },
        raised: Int64 = 0, undo: @escaping @Sendable (StepContext) async throws -> Void
    ) -> Step {
        Step("load", limit: BackingUp.limit) { context in
            [
                PlannedEffect("backup repository", "read a snapshot of '\(try archive.owner(context))'"),
                PlannedEffect(
                    "brands database", "create schema \(schema(try Slug(context.subject))) and fill it"),
            ]
        } perform: { context in
            let slug = try Slug(context.subject)
            let instance = try await instances.store.instance(slug)
            let brand = try source(context)
            let hash = archive.isKnown ? try context.output("hash", of: ChosenArchive.choose) : nil
            let loading = BackupLoading(scratch: scratch, endsOperations: true)
            let manifest = try await archive.read(context) { reader in
                try await loading.load(
                    reader, into: schema(slug), instance, from: brand,
                    generation: instance.generation + raised, manifestHash: hash, report: context.report)
            }
            return ["rows": "\(manifest.rows)", "entries": "\(manifest.streams["events"] ?? 0)"]
        } undo: { context in
            try await undo(context)
        }
    }

    /// Puts the entries back that waited in the brand's stream when the backup was made, which are events
    /// that were answered. Those that are stored already take no effect again. The step `load` has told how
    /// many there are.
    static func refillingStream(_ redis: RedisClient, from archive: ChosenArchive) -> Step {
        Step("refillStream", limit: BackingUp.limit) { context in
            [PlannedEffect("redis", "XADD \(try Slug(context.subject).redisPrefix)events: what waited then")]
        } perform: { context in
            guard try context.output("entries", of: "load") != "0" else { return ["entries": "0"] }
            let stream = RedisStream(redis, key: try Slug(context.subject).redisPrefix + "events")
            let count = try await archive.read(context) { reader in
                try await BackupLoading.entries(reader, of: "events") { _ = try await stream.append($0) }
            }
            return ["entries": "\(count)"]
        } undo: { _ in
        }
    }

    /// What the brand's process needs to serve what was restored.
    ///
    /// - Parameter stop: takes back that it runs.
    static func serving(
        _ instances: Instances, undoingRun stop: @escaping @Sendable (Slug) async throws -> Void = { _ in }
    ) -> [Step] {
        [BrandAction.Consequence.project, .run, .awaitReady].map { consequence in
            Step(consequence.rawValue) { context in
                try await instances.planned(consequence, Slug(context.subject))
            } perform: { context in
                try await instances.follow(consequence, Slug(context.subject))
                return [:]
            } undo: { context in
                if consequence == .run { try await stop(Slug(context.subject)) }
            }
        }
    }
}
