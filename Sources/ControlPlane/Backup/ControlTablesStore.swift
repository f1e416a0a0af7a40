import Backup
import Contract
import ControlSchema
import Kernel
import Postgres
import Workflow

/// The control database as its backup holds it.
struct ControlTablesStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    /// The tables that a backup holds, in an order in which their rows can be written again, and by what each
    /// is sorted.
    static let archived: [(table: String, order: String)] = [
        ("plan", "name"), ("retired_slug", "slug"), ("brand", "id"), ("instance", "brand_id"),
        ("brand_settings_version", "brand_id, version"), ("api_key", "created_at, public_id"),
        ("user", "id"), ("brand_metrics", "date, brand_id"), ("brand_metrics_run", "brand_id"),
        ("market_publication", "month, industry, currency"), ("backup", "id"), ("backup_receipt", "id"),
        ("audit_log", "id"),
    ]

    /// What it need not: what goes on or was seen at this moment, sessions, and schemas beside brands' own.
    static let unarchived = [
        "schema_version", "leadership", "operation", "operation_step", "idempotency_key", "job_run",
        "observation", "refresh_token", "former_schema",
    ]

    /// Hands all rows to `body`, cut into pieces, as of one moment; gives what there was.
    func pieces(
        _ body: nonisolated(nonsending) (String, BackupManifest.Content) async throws -> Void
    ) async throws -> [BackupManifest.Table] {
        try await pool.transaction(.snapshot) { transaction in
            var tables: [BackupManifest.Table] = []
            for (name, order) in ControlTablesStore.archived {
                var table = BackupManifest.Table(name: name, columns: try await columns(name, transaction))
                var cutter = PieceCutter()
                try await transaction.copyOut(
                    "copy (select \(list(table.columns)) from \"\(name)\" order by \(order)) to stdout"
                ) { chunk in
                    for content in cutter.add(chunk) {
                        table.pieces.append(content.piece)
                        try await body(name, content)
                    }
                }
                if let rest = cutter.end() {
                    table.pieces.append(rest.piece)
                    try await body(name, rest)
                }
                tables.append(table)
            }
            return tables
        }
    }

    /// - Throws: `Fault.conflict` when the control plane has brands: what a backup brings would be mixed with
    ///   what is there.
    func requireEmpty(in transaction: PostgresTransaction, doing: String) async throws {
        let found = try await transaction.run("select slug from brand order by slug limit 1").first
        guard let slug = try found?.decode(0, as: String.self) else { return }
        throw Fault(
            .conflict, doing: doing,
            "this installation has brands, such as '\(slug)'; a lost one is recovered into a new one")
    }

    /// Puts the rows of a backup in the place of those of a new installation.
    ///
    /// - Parameter rows: the pieces of each table.
    func fill(_ rows: [String: [[UInt8]]], in transaction: PostgresTransaction) async throws {
        try await transaction.run(all: [
            "delete from refresh_token", "delete from \"user\"", "delete from plan",
        ])
        for (name, _) in ControlTablesStore.archived {
            guard let pieces = rows[name], !pieces.isEmpty else { continue }
            let columns = try await columns(name, transaction)
            try await transaction.copyIn("copy \"\(name)\" (\(list(columns))) from stdin", rows: pieces)
        }
        try await transaction.run(all: [
            // What was being made when the machine was lost has nothing yet.
            "delete from brand where status = 'provisioning'",
            // Releases are not part of a backup: each brand is served by the one that is installed.
            "update instance set release = null, previous_release = null, paused_reason = null",
        ])
    }

    /// All brands, by slug.
    func brands(in transaction: PostgresTransaction) async throws -> [Slug] {
        try await transaction.run("select slug from brand order by slug")
            .map { try $0.decode(0, as: Slug.self) }
    }

    private func columns(_ table: String, _ transaction: PostgresTransaction) async throws -> [String] {
        try await transaction.run(
            """
            select attname::text from pg_attribute
            where attrelid = \("public.\"\(table)\"")::regclass and attnum > 0 and not attisdropped
            order by attnum
            """
        ).map { try $0.decode(0, as: String.self) }
    }

    private func list(_ columns: [String]) -> String {
        columns.map { "\"\($0)\"" }.joined(separator: ", ")
    }
}
