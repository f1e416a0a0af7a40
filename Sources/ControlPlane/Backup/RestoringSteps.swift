import Backup
import Kernel
import Redis
import Workflow

extension Step {
    /// Reads the archive that an operation restores, for `refillingStream`.
    typealias ReadArchive =
        @Sendable (StepContext, @escaping @Sendable (ArchiveReader) async throws -> Int) async throws -> Int

    /// Puts the entries back that waited in the brand's stream when the backup was made, which are events
    /// that were answered. Those that are stored already take no effect again. The step `load` has told how
    /// many there are.
    static func refillingStream(_ redis: RedisClient, reading read: @escaping ReadArchive) -> Step {
        Step("refillStream", limit: BackingUp.limit) { context in
            [PlannedEffect("redis", "XADD \(try Slug(context.subject).redisPrefix)events: what waited then")]
        } perform: { context in
            guard try context.output("entries", of: "load") != "0" else { return ["entries": "0"] }
            let stream = RedisStream(redis, key: try Slug(context.subject).redisPrefix + "events")
            let count = try await read(context) { reader in
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
