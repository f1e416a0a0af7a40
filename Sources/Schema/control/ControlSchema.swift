/// The tables of the control database, as one script for an empty database.
package enum ControlSchema {
    /// The number that `schema_version` holds after `sql` was run. A daemon refuses a higher one.
    package static let version = 8

    /// Creates everything; run it in one transaction.
    package static let sql = String(decoding: PackageResources.current_sql, as: UTF8.self)

    /// The role that the daemon's sessions act as: it cannot log in, owns nothing, and has only `grants`.
    package static let role = "constintel_control"

    /// Tables whose rows the daemon reads, adds, changes and takes away.
    package static let written = [
        "brand", "instance", "observation", "api_key", "user", "refresh_token", "operation", "operation_step",
        "idempotency_key", "job_run", "plan", "brand_metrics", "brand_metrics_run", "brand_settings_version",
        "backup", "former_schema",
    ]

    /// Tables whose rows it reads and adds.
    package static let appended = ["audit_log", "retired_slug", "market_publication", "backup_receipt"]

    /// What `grants` lets `role` do with each table, as PostgreSQL names it.
    package static var rights: [String: [String]] {
        var rights = ["schema_version": ["SELECT"], "leadership": ["SELECT"]]
        for table in appended { rights[table] = ["SELECT", "INSERT"] }
        for table in written { rights[table] = ["SELECT", "INSERT", "UPDATE", "DELETE"] }
        return rights
    }

    /// What `role` may do, table by table; whatever is not named here is refused. To be run by the owner, and
    /// again to take back whatever else the role was granted meanwhile.
    package static var grants: String {
        var lines = [
            "revoke all on all tables in schema public from \(role);",
            "grant usage on schema public to \(role);",
            "grant select on schema_version, brand_metrics_history to \(role);",
            // Locking the row takes the right to update some column; neither term nor holder is granted.
            "grant select, update (id) on leadership to \(role);",
        ]
        lines += appended.map { "grant select, insert on \"\($0)\" to \(role);" }
        lines += written.map { "grant select, insert, update, delete on \"\($0)\" to \(role);" }
        return lines.joined(separator: "\n")
    }
}
