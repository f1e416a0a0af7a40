import Backup
import Contract
import Foundation
import Kernel
import Postgres
import Sealing
import Workflow

/// `brand.verify`: restores a brand's newest backup beside the brand, compares it row by row with what was
/// written, re-folds it, drops it, and keeps a signed receipt. A backup counts when it has been restored.
///
/// What is found wrong with a backup is no failure of a step: it goes into the receipt, and then the
/// operation fails, so that it is seen.
struct Drill: Sendable {
    let instances: Instances
    let store: BackupStore
    let receipts: BackupReceiptStore
    let repositories: BackupRepositories
    let scratch: ScratchSchemaStore
    let room: DiskRoom
    let tables: TenantArchiveStore
    let refolder: Refolder
    let key: SigningKey

    static let kind = "brand.verify"
    static let runbook = "runbooks/backup-verify-failed.md"

    private var loading: BackupLoading { BackupLoading(scratch: scratch, endsOperations: false) }

    var saga: Saga {
        Saga(
            kind: Drill.kind, runbook: Drill.runbook, steps: [choose, restore, compare, drop, sign],
            isBackground: true)
    }

    private var choose: Step {
        Step("choose") { context in
            let slug = try context.brandOfBackup
            let id = context.input["backup"].flatMap { UUIDv7($0) }
            guard let backup = try await store.backup(of: slug, id) else {
                throw Fault(.notFound, doing: "try the backup", "the brand has none")
            }
            try room.require(for: backup, doing: "try the backup")
            let instance = try await instances.store.instance(slug)
            return [
                "backup": "\(backup.id)", "snapshot": backup.snapshot, "hash": backup.manifestHash,
                "brand": "\(instance.brand)",
            ]
        } undo: { _ in
        }
    }

    private var restore: Step {
        Step("restore", limit: BackingUp.limit) { context in
            let slug = try context.brandOfBackup
            return [
                PlannedEffect("backup repository", "read the newest snapshot"),
                PlannedEffect(
                    "brands database", "create schema \(ScratchSchemaStore.drill(slug)) and fill it"),
            ]
        } perform: { context in
            let slug = try context.brandOfBackup
            let instance = try await instances.store.instance(slug)
            let hash = try context.output("hash", of: "choose")
            return try await Drill.verdict {
                let manifest = try await repositories.brand(slug).read(
                    context.output("snapshot", of: "choose")
                ) { reader in
                    try await loading.load(
                        reader, into: ScratchSchemaStore.drill(slug), instance,
                        generation: instance.generation, manifestHash: hash,
                        report: context.report)
                }
                return ["manifest": String(decoding: try manifest.encoded(), as: UTF8.self)]
            }
        } undo: { context in
            try await scratch.drop(
                ScratchSchemaStore.drill(context.brandOfBackup), of: context.brand(of: "choose"))
        }
    }

    private var compare: Step {
        Step("compare", limit: BackingUp.limit) { context in
            let schema = ScratchSchemaStore.drill(try context.brandOfBackup)
            return [
                PlannedEffect("brands database", "read all tables of \(schema), and compare"),
                PlannedEffect("brands database", "fold \(schema) anew, and compare"),
            ]
        } perform: { context in
            // A backup that could not be restored has nothing to compare.
            guard let text = context.outputs["restore"]?["manifest"] else { return [:] }
            let manifest = try BackupManifest(encoded: Array(text.utf8))
            return try await Drill.verdict { try await compare(manifest, context) }
        } undo: { context in
            try refolder.forget(ScratchSchemaStore.drill(context.brandOfBackup))
        }
    }

    private func compare(_ manifest: BackupManifest, _ context: StepContext) async throws -> Step.Output {
        let slug = try context.brandOfBackup
        let schema = ScratchSchemaStore.drill(slug)
        let found = try await tables.viewing(slug, schema: schema) { view in
            try await tables.pieces(view, report: context.report) { _, _ in }
        }
        for (written, found) in zip(manifest.tables, found) where written != found {
            throw Drill.wrong(
                written.rows == found.rows
                    ? "the table \(written.name) has other rows than were written"
                    : "the table \(written.name) has \(found.rows) rows, and \(written.rows) were written")
        }
        let instance = try await instances.store.instance(slug)
        if let projection = try await instances.projection(slug) {
            try await instances.tenants.write(projection, to: schema)
        }
        let report = try await refolder.refold(
            schema, of: instance, applied: false, generation: instance.generation)
        if let difference = report.differences.first {
            throw Drill.wrong(
                "\(difference.count) of '\(difference.kind)' are not what the events say: "
                    + (difference.samples.first ?? ""))
        }
        return ["folded": "\(report.events)"]
    }

    private var drop: Step {
        Step("drop") { context in
            [
                PlannedEffect(
                    "brands database",
                    "drop schema \(ScratchSchemaStore.drill(try context.brandOfBackup)) cascade")
            ]
        } perform: { context in
            try await scratch.drop(
                ScratchSchemaStore.drill(context.brandOfBackup), of: context.brand(of: "choose"))
            return [:]
        } undo: { _ in
        }
    }

    /// The receipt stays, also when it says that the backup has failed; then the operation fails here.
    private var sign: Step {
        Step("sign") { context in
            [PlannedEffect("control database", "insert backup_receipt of '\(try context.brandOfBackup)'")]
        } perform: { context in
            let slug = try context.brandOfBackup
            let failure = ["restore", "compare"].lazy.compactMap { context.outputs[$0]?["wrong"] }.first
            let statement = try statement(context, failure: failure)
            try await receipts.insert(
                .init(
                    id: context.operation, backup: UUIDv7(context.output("backup", of: "choose")),
                    failure: failure, statement: statement, signature: key.sign(Array(statement.utf8))),
                of: slug)
            if let failure { throw Fault(.invalid, doing: "verify the backup", failure) }
            return [:]
        } undo: { _ in
        }
    }

    private func statement(_ context: StepContext, failure: String?) throws -> String {
        let manifest = try context.outputs["restore"]?["manifest"].map {
            try BackupManifest(encoded: Array($0.utf8))
        }
        let statement = BackupStatement(
            brand: try context.brandOfBackup.text, backup: try context.output("backup", of: "choose"),
            takenAt: manifest?.takenAt, at: store.clock.now(), release: Release.current,
            isPassed: failure == nil, failure: failure,
            tables: manifest?.tables.map { .init(name: $0.name, rows: $0.rows, sha256: $0.sha256) } ?? [],
            eventsFolded: context.outputs["compare"]?["folded"].flatMap { Int64($0) })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(statement), as: UTF8.self)
    }

    /// What `body` leaves, or what is wrong with the backup.
    private static func verdict(_ body: () async throws -> Step.Output) async throws -> Step.Output {
        do {
            return try await body()
        } catch let fault as Fault where fault.code == .invalid {
            return ["wrong": "\(fault.detail)"]
        } catch let error as PostgresError where error.isDataError {
            // What the database refuses was never in a brand's tables.
            return ["wrong": "the database refuses its rows: \(error.message)"]
        }
    }

    private static func wrong(_ detail: String) -> Fault {
        Fault(.invalid, doing: "verify the backup", detail)
    }
}
