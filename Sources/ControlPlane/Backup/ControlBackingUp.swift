import Backup
import Contract
import ControlSchema
import Foundation
import Kernel
import Workflow

/// `control.backup`: writes the control database and the installation's keys into a repository of their own:
/// the master key wrapped under the recovery passphrase, the others sealed under the master key.
struct ControlBackingUp: Sendable {
    let tables: ControlTablesStore
    let keys: PlatformKeys
    let store: BackupStore
    let repositories: BackupRepositories

    static let kind = "control.backup"
    /// What the operation is about. No brand is called so.
    static let subject = "control/backup"
    /// How often it is done by itself, and how long its backups are kept.
    static let period = Duration.seconds(6 * 3600)
    static let keptDays = 30

    var saga: Saga {
        Saga(
            kind: ControlBackingUp.kind, runbook: BackingUp.runbook, steps: [prepare, write, keep, letGo],
            isBackground: true)
    }

    /// Whose backups these are: the key that signs receipts is an installation's own, and comes back with it.
    private var owner: String { keys.receiptKey.publicKey.id }

    private var prepare: Step {
        Step("prepare") { _ in
            [PlannedEffect("backup repository", "make \(repositories.control.location) if missing")]
        } perform: { _ in
            try await repositories.control.prepare()
            // A new installation must not put its nothing on top of what a lost one has left.
            if try await store.newestOfControl() == nil {
                try await repositories.control.requireOwn(owner, doing: "back the control plane up")
            }
            return [:]
        } undo: { _ in
        }
    }

    private var write: Step {
        Step("write", limit: BackingUp.limit) { _ in
            [
                PlannedEffect("control database", "copy all tables, as of one moment"),
                PlannedEffect("files", "read secrets/, wrapped and sealed"),
                PlannedEffect("backup repository", "write a snapshot of them"),
            ]
        } perform: { context in
            let (written, manifest) = try await repositories.control.write(
                owner: owner, tag: context.operation.tag
            ) { try await archive(to: $0) }
            try Failpoint.effect()
            return try BackingUp.output(written, manifest)
        } undo: { context in
            await BackingUp.withdraw(context, from: repositories.control)
        }
    }

    private func archive(to pipe: PipeWriter) async throws -> BackupManifest {
        let archive = try BackupArchive(to: pipe)
        var manifest = BackupManifest(
            slug: "control", brand: nil, schemaVersion: ControlSchema.version, release: Release.current,
            takenAt: store.clock.now())
        try await archive.add("README", Array(ControlBackingUp.readMe.utf8))
        try await archive.add("backup.json", manifest.encoded())
        for (name, content) in try keys.archived() { try await archive.add("secrets/\(name)", content) }
        try await archive.add("schema.sql", Array(ControlSchema.sql.utf8))
        manifest.tables = try await tables.pieces { table, content in
            try await archive.add(content, of: table, in: "tables")
        }
        try await archive.end(manifest)
        return manifest
    }

    private var keep: Step {
        Step("keep") { _ in
            [PlannedEffect("control database", "insert backup of the control plane")]
        } perform: { context in
            let (snapshot, all) = try await repositories.control.complete(
                tag: context.operation.tag, snapshot: context.output("snapshot", of: "write"))
            try Failpoint.effect()
            try await store.insert(BackingUp.backup(context, snapshot, at: store.clock.now()), of: nil)
            let oldest = store.clock.now() - .days(ControlBackingUp.keptDays)
            return [
                "expired": BackupRepository.expired(all, before: oldest).map(\.id).joined(separator: " ")
            ]
        } undo: { context in
            try await store.delete(context.operation)
        }
    }

    private var letGo: Step {
        Step("letGo", limit: BackingUp.limit) { _ in
            [
                PlannedEffect(
                    "backup repository", "forget backups older than \(ControlBackingUp.keptDays) days; prune")
            ]
        } perform: { context in
            let expired = try context.output("expired", of: "keep").split(separator: " ").map(String.init)
            do {
                try await repositories.control.forget(expired)
                try await store.delete(snapshots: expired)
                return [:]
            } catch  where !Task.isCancelled {
                context.logger.warning("could not let go of old backups: \(error)")
                return ["error": "\(error)"]
            }
        } undo: { _ in
        }
    }

    private static let readMe = """
        A backup of the control plane of a ConstIntel installation.

        manifest.json   what there is: every table with its columns and its pieces, and the hash of each piece
        tables/         the control database's rows, as COPY of PostgreSQL writes and reads them
        secrets/        master.key.recovery is the master key, wrapped under the recovery passphrase; the
                        others are sealed under the master key

        With it, brands' own repositories, their password and the recovery passphrase, a lost installation
        comes back: runbooks/machine-lost.md.

        """
}
