import Backup
import Contract
import Kernel
import Postgres
import TenantSchema
import Workflow

/// Schemas of a brand beside the one that serves: made from a backup, compared, put in the place of the
/// other, kept aside and dropped. No brand's schema has two underscores in its name.
struct ScratchSchemaStore: Sendable {
    let tenants: TenantStore

    /// Where a drill restores to.
    static func drill(_ slug: Slug) -> String { "\(slug.schemaName)__drill" }
    /// Where a restore prepares what will serve.
    static func restored(_ slug: Slug) -> String { "\(slug.schemaName)__restored" }
    /// Where the former state goes.
    static func former(_ slug: Slug, _ operation: UUIDv7) -> String {
        "\(slug.schemaName)__\(operation.description.replacing("-", with: "").suffix(12))"
    }

    /// Makes an empty schema with the brand's tables as a backup needs them, in the place of one of that
    /// name.
    ///
    /// - Parameter generation: of who may write once it serves.
    func make(
        _ schema: String, _ instance: Instance, generation: Int64, months: [BackupManifest.Month]
    ) async throws {
        let slug = instance.slug
        try await drop(schema, of: instance.brand)
        try await tenants.changing { transaction in
            try await transaction.run(all: [
                "create schema \(identifier: schema) authorization \(identifier: slug.ownerRole)",
                "comment on schema \(identifier: schema) is \(literal: TenantStore.mark(instance.brand))",
                "set local role \(identifier: slug.ownerRole)",
                "set local search_path = \(identifier: schema)",
            ])
            try await transaction.runScript(TenantSchema.sql)
            for month in months {
                try await transaction.run(
                    """
                    create table if not exists \(identifier: month.partition)
                    partition of customer_raw_event
                    for values from (\(literal: "\(month.starts)")) to (\(literal: "\(month.ends)"))
                    """)
            }
            try await transaction.run(all: [
                "delete from fold_checkpoint", "delete from event_feed", "delete from brand_totals",
                "insert into writer_lease (generation) values (\(generation))",
            ])
            try await transaction.runScript(
                TenantSchema.grants(runtimeRole: slug.runtimeRole, schema: schema))
        }
    }

    /// Drops a schema of the brand; one that is not there is fine.
    func drop(_ schema: String, of brand: BrandID) async throws {
        try await tenants.changing { transaction in
            let comment = try await transaction.run(
                """
                select coalesce(obj_description(oid, 'pg_namespace'), '') from pg_namespace
                where nspname = \(schema)
                """
            ).first?.decode(0, as: String.self)
            guard comment == TenantStore.mark(brand) else { return }
            try await transaction.run("drop schema \(identifier: schema) cascade")
        }
    }

    /// Puts `candidate` in the place of the brand's schema, which is kept as `former`: at once, or not at
    /// all. Done already, it does nothing.
    func swap(in candidate: String, former: String, _ instance: Instance, generation: Int64) async throws {
        let slug = instance.slug
        try await tenants.changing { transaction in
            if try await exists(former, in: transaction) { return }
            guard try await exists(candidate, in: transaction) else {
                throw Fault(.conflict, doing: "swap the brand's states", "the schema '\(candidate)' is gone")
            }
            try await rename(slug.schemaName, to: former, in: transaction)
            try await rename(candidate, to: slug.schemaName, in: transaction)
            try await use(slug, of: former, not: true, in: transaction)
            try await use(slug, of: slug.schemaName, not: false, in: transaction)
            try await transaction.run(
                "update \(identifier: slug.schemaName).writer_lease set generation = \(generation)")
        }
    }

    /// Takes `swap` back.
    func swapBack(to candidate: String, former: String, _ slug: Slug) async throws {
        try await tenants.changing { transaction in
            guard try await exists(former, in: transaction) else { return }
            try await rename(slug.schemaName, to: candidate, in: transaction)
            try await rename(former, to: slug.schemaName, in: transaction)
            try await use(slug, of: slug.schemaName, not: false, in: transaction)
        }
    }

    /// Whether there is a schema of this name.
    func exists(_ schema: String) async throws -> Bool {
        try await !tenants.pool.run("select from pg_namespace where nspname = \(schema)").isEmpty
    }

    private func exists(_ schema: String, in transaction: PostgresTransaction) async throws -> Bool {
        try await !transaction.run("select from pg_namespace where nspname = \(schema)").isEmpty
    }

    private func rename(_ schema: String, to name: String, in transaction: PostgresTransaction) async throws {
        try await transaction.run("alter schema \(identifier: schema) rename to \(identifier: name)")
    }

    /// Whether the brand's process may get into a schema.
    private func use(
        _ slug: Slug, of schema: String, not isRefused: Bool, in transaction: PostgresTransaction
    ) async throws {
        let role: SQL = "\(identifier: slug.runtimeRole)"
        try await transaction.run(
            isRefused
                ? "revoke usage on schema \(identifier: schema) from \(role)"
                : "grant usage on schema \(identifier: schema) to \(role)")
    }

    /// Lets the brand's process into a schema that does not serve, where a re-fold is to be done.
    func open(_ schema: String, to slug: Slug, generation: Int64) async throws {
        try await tenants.changing { transaction in
            try await use(slug, of: schema, not: false, in: transaction)
            try await transaction.run(
                "update \(identifier: schema).writer_lease set generation = \(generation)")
        }
    }

    /// Fills the schema within one transaction; `fill` is given what takes rows. Indexes are made once the
    /// rows are there.
    func filling<Value: Sendable>(
        _ schema: String, _ slug: Slug,
        _ fill: nonisolated(nonsending) (Filling) async throws -> Value
    ) async throws -> Value {
        try await tenants.pool.transaction { transaction in
            try await transaction.run(all: [
                "set local role \(identifier: slug.ownerRole)",
                "set local search_path = \(identifier: schema)",
                "set local idle_in_transaction_session_timeout = '30min'", "set local statement_timeout = 0",
                "set local maintenance_work_mem = '256MB'", "set local synchronous_commit = on",
            ])
            let indexes = try await takeIndexes(schema, in: transaction)
            let value = try await fill(Filling(transaction: transaction))
            for index in indexes { try await transaction.run(SQL(raw: index)) }
            for (table, _) in TenantSchema.archived {
                try await transaction.run("analyze \(identifier: table)")
            }
            try await transaction.run("reset role")
            try await LeadershipStore.requireTerm(in: transaction)
            try Failpoint.effect()
            return value
        }
    }

    /// Drops the indexes that no constraint needs, and gives the statements that make them again.
    private func takeIndexes(_ schema: String, in transaction: PostgresTransaction) async throws -> [String] {
        let indexes = try await transaction.run(
            """
            select c.relname::text, replace(pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ')
            from pg_index i join pg_class c on c.oid = i.indexrelid
            where c.relnamespace = \(schema)::regnamespace
              and not exists (select from pg_constraint where conindid = c.oid)
              and not exists (select from pg_inherits where inhrelid = c.oid)
            order by 1
            """
        ).decode((String, String).self)
        for (name, _) in indexes { try await transaction.run("drop index \(identifier: name)") }
        return indexes.map(\.1)
    }

    /// Takes rows into the schema that is being filled.
    struct Filling: Sendable {
        let transaction: PostgresTransaction

        /// Takes one piece of a table, as COPY writes it; gives how many rows it had.
        func rows(_ bytes: [UInt8], of table: String, columns: [String]) async throws -> Int {
            let list = columns.map { "\"\($0)\"" }.joined(separator: ", ")
            return try await transaction.copyIn("copy \"\(table)\" (\(list)) from stdin", rows: [bytes])
        }

        /// Lets sequences go on behind what is there.
        func sequences(_ values: [String: Int64]) async throws {
            for (table, value) in values where value > 0 {
                try await transaction.run(
                    "select setval(pg_get_serial_sequence(\(table), 'sequence'), \(value))")
            }
        }

        /// What a clone must not take over: what the other brand has used of its plan, and its keys.
        func forgetUse() async throws {
            try await transaction.run(all: ["delete from event_meter", "delete from api_key_use"])
        }

        /// What a restore must not take over: work that was going on when the backup was made goes on
        /// nowhere.
        func endOperations(_ reason: String) async throws {
            try await transaction.run(
                """
                update operation set state = 'failed', error = \(reason), updated_at = now()
                where state in ('pending', 'running')
                """)
        }
    }
}
