import Backup
import Foundation
import Kernel
import Workflow

/// `brand.backup`: writes a brand's archive into its repository, and lets go of old ones. The brand goes on
/// meanwhile, or sleeps on.
///
/// A snapshot counts only when it is marked as complete, in the repository, and known here: whoever dies in
/// between leaves one that the next backup takes away.
struct BackingUp: Sendable {
    let archive: BrandArchive
    let instances: Instances
    let store: BackupStore
    let repositories: BackupRepositories

    static let kind = "brand.backup"
    static let runbook = "runbooks/backup-stuck.md"
    /// How long the writing may take.
    static let limit = Duration.seconds(24 * 3600)

    var saga: Saga {
        Saga(
            kind: BackingUp.kind, runbook: BackingUp.runbook, steps: [prepare, write, keep, letGo],
            isBackground: true)
    }

    private var prepare: Step {
        Step("prepare") { context in
            let slug = try context.brandOfBackup
            return [
                PlannedEffect("backup repository", "make \(repositories.brand(slug).location) if missing")
            ]
        } perform: { context in
            let slug = try context.brandOfBackup
            let instance = try await instances.store.instance(slug)
            let repository = repositories.brand(slug)
            try await repository.prepare()
            if try await store.backup(of: slug) == nil {
                try await repository.requireOwn("\(instance.brand)", doing: "back the brand up")
            }
            return ["brand": "\(instance.brand)"]
        } undo: { _ in
        }
    }

    private var write: Step {
        Step("write", limit: BackingUp.limit) { context in
            let slug = try context.brandOfBackup
            return [
                PlannedEffect("redis", "read \(slug.redisPrefix)events, \(slug.redisPrefix)dead"),
                PlannedEffect("brands database", "copy all tables of \(slug.schemaName), as of one moment"),
                PlannedEffect("control database", "copy the rows of '\(slug)'"),
                PlannedEffect("backup repository", "write a snapshot of them"),
            ]
        } perform: { context in
            try await write(context)
        } undo: { context in
            await BackingUp.withdraw(context, from: repositories.brand(try context.brandOfBackup))
        }
    }

    /// Takes away what the operation has written. What cannot be taken away now counts for nothing, and the
    /// next backup takes it away.
    static func withdraw(_ context: StepContext, from repository: BackupRepository) async {
        do throws(Fault) {
            let left = try await repository.snapshots().filter { $0.has(context.operation.tag) }
            try await repository.forget(left.map(\.id))
        } catch {
            context.logger.warning("could not take a half-written backup away: \(error)")
        }
    }

    /// What the step `write` leaves.
    static func output(
        _ written: BackupRepository.Written, _ manifest: BackupManifest
    ) throws -> Step.Output {
        [
            "snapshot": written.snapshot, "bytes": "\(written.bytes)", "added": "\(written.added)",
            "rows": "\(manifest.rows)",
            "takenAt": "\(manifest.takenAt)", "hash": BackupManifest.hash(try manifest.encoded()),
            "totals": String(decoding: try JSONEncoder().encode(manifest.totals), as: UTF8.self),
        ]
    }

    /// The row of what the step `write` has left.
    static func backup(
        _ context: StepContext, _ snapshot: BackupRepository.Snapshot, at now: Timestamp
    ) throws -> BackupStore.Backup {
        func output(_ key: String) throws -> String { try context.output(key, of: "write") }
        func number(_ key: String) throws -> Int64 { Int64(try output(key)) ?? 0 }
        return BackupStore.Backup(
            id: context.operation, snapshot: snapshot.id,
            takenAt: Timestamp(rfc3339: try output("takenAt")) ?? now, manifestHash: try output("hash"),
            rows: try number("rows"), bytes: try number("bytes"), addedBytes: try number("added"),
            totals: try JSONDecoder().decode(
                BackupManifest.Totals.self, from: Data(output("totals").utf8)))
    }

    private func write(_ context: StepContext) async throws -> Step.Output {
        let slug = try context.brandOfBackup
        let brand = try context.brand(of: "prepare")
        let (written, manifest) = try await repositories.brand(slug).write(
            owner: "\(brand)", tag: context.operation.tag
        ) { pipe in
            try await archive.write(slug, brand, to: pipe, report: context.report)
        }
        try Failpoint.effect()
        return try BackingUp.output(written, manifest)
    }

    private var keep: Step {
        Step("keep") { context in
            [PlannedEffect("control database", "insert backup of '\(try context.brandOfBackup)'")]
        } perform: { context in
            let slug = try context.brandOfBackup
            let (snapshot, all) = try await repositories.brand(slug).complete(
                tag: context.operation.tag, snapshot: context.output("snapshot", of: "write"))
            try Failpoint.effect()
            try await store.insert(BackingUp.backup(context, snapshot, at: store.clock.now()), of: slug)
            let oldest = store.clock.now() - .days(try await keepDays(slug))
            let expired = BackupRepository.expired(all, before: oldest).map(\.id)
            return ["expired": expired.joined(separator: " ")]
        } undo: { context in
            try await store.delete(context.operation)
        }
    }

    /// There is a new backup by now: that old ones cannot be let go of must not take it back, and the next
    /// one tries again.
    private var letGo: Step {
        Step("letGo", limit: BackingUp.limit) { context in
            let days = try await keepDays(context.brandOfBackup)
            return [PlannedEffect("backup repository", "forget backups older than \(days) days; prune")]
        } perform: { context in
            let slug = try context.brandOfBackup
            let expired = try context.output("expired", of: "keep").split(separator: " ").map(String.init)
            do {
                try await repositories.brand(slug).forget(expired)
                try await store.delete(snapshots: expired)
                return [:]
            } catch  where !Task.isCancelled {
                context.logger.warning("could not let go of old backups: \(error)")
                return ["error": "\(error)"]
            }
        } undo: { _ in
        }
    }

    private func keepDays(_ slug: Slug) async throws -> Int {
        try await store.keepDays(slug) ?? BackingUp.keptDays
    }

    /// How long backups are kept where the plan does not say.
    static let keptDays = 30
}

/// The repositories of an installation.
struct BackupRepositories: Sendable {
    let settings: BackupRepository.Settings

    /// The brand's own.
    func brand(_ slug: Slug) -> BackupRepository { BackupRepository("brands/\(slug)", settings) }

    /// The control plane's.
    var control: BackupRepository { BackupRepository("control", settings) }
}

extension UUIDv7 {
    /// By which a repository knows what an operation wrote.
    var tag: String { "operation=\(self)" }
}

extension StepContext {
    /// The brand that a backup or a drill is about: they go on beside what changes the brand, and so have a
    /// subject of their own.
    var brandOfBackup: Slug {
        get throws { try Slug(subject.split(separator: "/").first ?? "") }
    }
}

extension Slug {
    /// What backups and drills of the brand are about: one of them at a time.
    var backupSubject: String { "\(text)/backup" }
}
