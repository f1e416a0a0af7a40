import Backup
import Kernel
import Postgres
import TenantSchema
import Workflow

/// Reading a brand's schema as a backup has it, and filling one from that: SQL for `BrandArchive`.
struct TenantArchiveStore: Sendable {
    let tenants: TenantStore

    /// How long a transaction may wait for the repository, which may be far away.
    private static let patience = "30min"

    /// One view of all tables of a schema, as of one moment; nothing takes a table away meanwhile.
    struct View: Sendable {
        let slug: Slug
        let schema: String
        let transaction: PostgresTransaction
    }

    /// Calls `body` with a view of the schema. A partition can only be replaced while nobody holds its
    /// parent, so the locks come first, and what is seen is settled behind them.
    func viewing<Value: Sendable>(
        _ slug: Slug, schema: String, _ body: (View) async throws -> Value
    ) async throws -> Value {
        try await tenants.pool.transaction(.snapshot) { transaction in
            try await transaction.run(all: [
                "set local role \(identifier: slug.ownerRole)",
                "set local search_path = \(identifier: schema)",
                "set local idle_in_transaction_session_timeout = \(raw: "'\(Self.patience)'")",
                "set local statement_timeout = 0", "set local work_mem = '64MB'",
                "set local datestyle = 'ISO'", "set local bytea_output = 'hex'",
                "set local extra_float_digits = 1",
            ])
            let names = TenantSchema.archived.map(\.table)
            for name in names {
                let only = name == "customer_raw_event" ? "only " : ""
                try await transaction.run("lock table \(raw: only)\(identifier: name) in access share mode")
            }
            return try await body(View(slug: slug, schema: schema, transaction: transaction))
        }
    }

    /// The columns of every archived table that hold what cannot be computed from the others.
    static func columns(in transaction: PostgresTransaction) async throws -> [String: [String]] {
        let tables = TenantSchema.archived.map(\.table)
        let rows = try await transaction.run(
            """
            select c.relname::text, array_agg(a.attname::text order by a.attnum)
            from pg_class c join pg_attribute a on a.attrelid = c.oid
            where c.relnamespace = current_schema()::regnamespace and c.relname = any(\(tables))
              and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
            group by c.relname
            """
        ).decode((String, [String]).self)
        return Dictionary(uniqueKeysWithValues: rows.map { ($0.0, $0.1) })
    }

    /// The months of receipt that have a partition.
    func months(_ view: View) async throws -> [BackupManifest.Month] {
        try await view.transaction.run(
            """
            select c.relname::text, (regexp_match(bounds, 'FROM \\(''([^'']+)''\\)'))[1]::timestamptz,
                (regexp_match(bounds, 'TO \\(''([^'']+)''\\)'))[1]::timestamptz
            from pg_inherits join pg_class c on c.oid = inhrelid
            cross join pg_get_expr(c.relpartbound, c.oid) as bounds
            where inhparent = 'customer_raw_event'::regclass and bounds <> 'DEFAULT'
            order by 2 limit 10000
            """
        ).decode((String, Timestamp, Timestamp).self)
            .map { .init(partition: $0.0, starts: $0.1, ends: $0.2) }
    }

    /// The last value of each sequence, by its table.
    func sequences(_ view: View) async throws -> [String: Int64] {
        let rows = try await view.transaction.run("select coalesce(max(sequence), 0) from identity_decision")
        return ["identity_decision": try rows[0].decode(Int64.self)]
    }

    /// What the brand came to, and when its newest event was received.
    func totals(_ view: View) async throws -> BackupManifest.Totals {
        var totals = BackupManifest.Totals()
        (totals.events, totals.profiles) = try await view.transaction.run(
            "select events, profiles from brand_totals")[0].decode((Int64, Int64).self)
        for (currency, orders, revenue) in try await view.transaction.run(
            "select currency, orders, revenue::text from order_totals order by currency limit 1000"
        ).decode((String, Int64, String).self) {
            totals.orders += orders
            totals.revenue[currency] = revenue
        }
        return totals
    }

    /// About how many rows there are in all.
    func expectedRows(_ view: View) async throws -> Int64 {
        try await view.transaction.run(
            """
            select coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint from pg_class c
            where c.relnamespace = \(view.schema)::regnamespace and c.relkind = 'r'
            """)[0].decode(Int64.self)
    }

    /// Hands the rows of a table to `body` in their order, as COPY writes them.
    nonisolated(nonsending) func rows(
        of table: (table: String, order: String), columns: [String], _ view: View,
        _ body: nonisolated(nonsending) ([UInt8]) async throws -> Void
    ) async throws {
        let list = columns.map { "\"\($0)\"" }.joined(separator: ", ")
        try await view.transaction.copyOut(
            "copy (select \(list) from \(table.table) order by \(table.order)) to stdout", body)
    }

    /// Whether the schema of this name is still the one that was looked at.
    func stands(_ view: View, since oid: Int64) async throws -> Bool { try await self.oid(view) == oid }

    /// What the server knows the schema by.
    func oid(_ view: View) async throws -> Int64 {
        try await view.transaction.run(
            "select coalesce(to_regnamespace(\(view.schema))::oid::bigint, 0)")[0].decode(Int64.self)
    }
}
