/// The schema of one brand: its tables, and what the instance's role may do with each.
public enum TenantSchema {
    /// The version of `sql`. An instance refuses a schema that is newer than it knows.
    public static let version = 7

    /// Everything that a new brand's schema holds. Run it as the owner role, with `search_path` at the
    /// schema.
    public static var sql: String { String(decoding: PackageResources.current_sql, as: UTF8.self) }

    /// Tables that the control plane writes and the instance only reads.
    public static let projected = ["brand_state", "api_key", "fold_checkpoint"]

    /// Tables whose rows the instance reads and writes.
    public static let written = [
        "event_key", "customer_raw_event", "event_feed", "customer_identifier", "identifier_event",
        "identifier_sign_in", "identifier_owner", "identity_pair", "identity_never", "consent",
        "manual_merge_queue", "customer_profile", "customer_order", "order_adjustment", "currency_rate",
        "product", "inventory", "brand_totals", "order_totals", "event_meter", "api_key_use", "operation",
        "import_rejection", "upload",
    ]

    /// Tables whose rows the instance reads and adds, and can neither change nor take away.
    public static let appended = ["identity_decision", "merge_history"]

    /// Functions that the instance calls, with the rights of its own role.
    public static let called = ["month_usage(timestamptz, text)", "rate_on(text, timestamptz, text)"]

    /// Tables that a backup has no need of: what the control plane projects anew, who may write, and files
    /// that have not wholly arrived.
    public static let unarchived = ["brand_state", "api_key", "writer_lease", "upload"]

    /// The tables that a backup holds, in an order in which their rows can be written again, and by which
    /// columns each is sorted: what is new comes last, so that two backups are alike up to there.
    public static let archived: [(table: String, order: String)] = [
        ("fold_checkpoint", "id"), ("event_feed", "id"), ("brand_totals", "id"), ("order_totals", "currency"),
        ("event_meter", "quarter"), ("api_key_use", "public_id"), ("currency_rate", "currency, day"),
        ("product", "product_id"), ("inventory", "product_id, store_id"),
        ("event_key", "event_id, source, key"), ("customer_raw_event", "created_at, id"),
        ("customer_identifier", "id"), ("identifier_event", "created_at, event_id, identifier_id"),
        ("identifier_sign_in", "identifier_id, occurred_at, event_key, source"),
        ("identifier_owner", "identifier_id, owner_id"), ("identity_decision", "sequence"),
        ("identity_pair", "low_id, high_id"), ("identity_never", "low_id, high_id"),
        ("consent", "identifier_id, channel, purpose"), ("merge_history", "id"),
        ("manual_merge_queue", "id"), ("customer_profile", "id"), ("customer_order", "id"),
        ("order_adjustment", "source, order_id, kind, known_by, adjustment_id"), ("operation", "id"),
        ("import_rejection", "operation_id, row_number"),
    ]

    /// Every table, less the partitions that are made as time passes.
    public static var tables: [String] {
        projected + written + appended + ["writer_lease", "customer_raw_event_default"]
    }

    /// What `grants` grants, right by right: the privilege in lower case, and the table, `table.column`,
    /// `function()`, or `the schema`.
    public static var rights: [(privilege: String, object: String)] {
        var rights = [("usage", "the schema"), ("select", "writer_lease"), ("update", "writer_lease.id")]
        rights += called.map { ("execute", "\($0.prefix { $0 != "(" })()") }
        for (tables, privileges) in [
            (projected, ["select"]), (appended, ["select", "insert"]),
            (written, ["select", "insert", "update", "delete"]),
        ] {
            rights += tables.flatMap { table in privileges.map { ($0, table) } }
        }
        return rights.map { (privilege: $0.0, object: $0.1) }
    }

    /// Grants to the runtime role, table by table; whatever is not named here is refused. To be run by the
    /// owner role. Both names must be safe as quoted identifiers.
    public static func grants(runtimeRole: String, schema: String) -> String {
        var lines = ["grant usage on schema \"\(schema)\" to \"\(runtimeRole)\";"]
        for table in projected {
            lines.append("grant select on \"\(schema)\".\"\(table)\" to \"\(runtimeRole)\";")
        }
        // Locking the lease's row takes the right to update some column of it; the generation is not granted.
        lines.append("grant select, update (id) on \"\(schema)\".writer_lease to \"\(runtimeRole)\";")
        for function in called {
            lines.append("grant execute on function \"\(schema)\".\(function) to \"\(runtimeRole)\";")
        }
        for table in appended {
            lines.append("grant select, insert on \"\(schema)\".\"\(table)\" to \"\(runtimeRole)\";")
        }
        for table in written {
            lines.append(
                "grant select, insert, update, delete on \"\(schema)\".\"\(table)\" to \"\(runtimeRole)\";")
        }
        return lines.joined(separator: "\n")
    }
}
