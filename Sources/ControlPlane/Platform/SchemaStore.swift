import ControlSchema
import Kernel
import Logging
import Postgres
import Reactor

/// Makes the two databases of an installation and the control plane's tables.
struct SchemaStore: Sendable {
    /// The control plane's own database.
    static let controlDatabase = "constintel_control"
    /// The database that holds all brands' schemas.
    static let brandsDatabase = "constintel_brands"

    /// Logs in as who may make databases and roles; its database is any that exists.
    let administrator: PostgresConfiguration
    var control = controlDatabase
    var brands = brandsDatabase
    let reactor: Reactor

    /// What the sessions of the control database's pool begin with: they act as the daemon's role there, and
    /// write under this term.
    static func controlSettings(term: Int64) -> [String: String] {
        ["role": ControlSchema.role, "constintel.term": "\(term)"]
    }

    /// Makes what is missing, and takes from PUBLIC what PostgreSQL gives it by default. Idempotent, and safe
    /// when several do it at once.
    ///
    /// - Throws: `Fault.conflict` when the control database was made by a later release.
    func prepare() async throws {
        try await connected(to: administrator.database) { server in
            try await makeRole(server)
            // Held until the connection closes: who prepares the same installation waits.
            try await server.run("select pg_advisory_lock(hashtext('constintel ' || \(control)))")
            for database in [control, brands] {
                let found = try await server.run("select 1 from pg_database where datname = \(database)")
                if found.isEmpty { try await server.run("create database \(identifier: database)") }
                try await server.run("revoke all on database \(identifier: database) from public")
                try await connected(to: database) { connection in
                    try await connection.run("revoke all on schema public from public")
                    if database == brands { try await close(connection) }
                }
            }
            try await connected(to: control) { try await applyControlSchema($0) }
        }
    }

    /// Makes the role that the daemon's sessions act as. Roles are the cluster's, so the lock is taken where
    /// all installations of the cluster take it.
    private func makeRole(_ connection: PostgresConnection) async throws {
        let role: SQL = "\(identifier: ControlSchema.role)"
        try await connection.transaction { transaction in
            try await transaction.run("select pg_advisory_xact_lock(hashtext('constintel roles'))")
            let found = try await transaction.run(
                "select 1 from pg_roles where rolname = \(ControlSchema.role)")
            if found.isEmpty { try await transaction.run("create role \(role)") }
            let isMember = try await transaction.run(
                "select pg_has_role(current_user, \(ControlSchema.role), 'member')")
            if try !isMember[0].decode(0, as: Bool.self) {
                try await transaction.run("grant \(role) to current_user")
            }
            try await closeTheDoor(transaction)
        }
    }

    /// Keeps everybody else out of the database that it logs in to, where it may: whoever gets in there could
    /// take the lock above and hold it, and no daemon would start. `template1` is the server's to copy, which
    /// it does not while somebody is in it.
    private func closeTheDoor(_ transaction: PostgresTransaction) async throws {
        let open = try await transaction.run(
            """
            select datname::text from pg_database
            where datname in (current_database(), 'template1') and pg_has_role(datdba, 'usage')
              and has_database_privilege('public', oid, 'connect')
            """
        ).decode(String.self)
        for database in open {
            try await transaction.run("revoke all on database \(identifier: database) from public")
        }
    }

    /// Takes from PUBLIC, where the server is ours to say, what has no use to a brand and is felt by all of
    /// them: advisory locks, which take the room of everybody's locks, and large objects, which lie outside
    /// of every schema.
    private func close(_ connection: PostgresConnection) async throws {
        try await connection.run(
            """
            do $$
            declare open regprocedure;
            begin
                if not (select rolsuper from pg_roles where rolname = current_user) then return; end if;
                for open in
                    select oid from pg_proc
                    where pronamespace = 'pg_catalog'::regnamespace
                      and proname ~ '^(lo_(creat|create|from_bytea)|pg_(try_)?advisory_(xact_)?lock.*)$'
                      and has_function_privilege('public', oid, 'execute')
                loop
                    execute format('revoke execute on function %s from public', open);
                end loop;
            end $$
            """)
    }

    /// Applies the schema and the grants in one transaction, under a lock that two daemons starting at once
    /// both take.
    private func applyControlSchema(_ connection: PostgresConnection) async throws {
        try await connection.transaction { transaction in
            try await transaction.run("select pg_advisory_xact_lock(hashtext('constintel schema'))")
            let absent = try await transaction.run("select to_regclass('public.schema_version') is null")
            if try absent[0].decode(0, as: Bool.self) {
                try await transaction.runScript(ControlSchema.sql)
                try await transaction.run(
                    "insert into schema_version (version) values (\(ControlSchema.version))")
                try await transaction.runScript(ControlSchema.grants)
                return
            }
            let versions = try await transaction.run("select version from schema_version")
            let version = try versions.first?.decode(0, as: Int.self) ?? 0
            guard version == ControlSchema.version else {
                let age = version > ControlSchema.version ? "later" : "earlier"
                throw Fault(
                    .conflict, doing: "use the control database",
                    "it was made by a \(age) release: its schema has version \(version), this one needs "
                        + "\(ControlSchema.version)")
            }
            try await transaction.runScript(ControlSchema.grants)
        }
    }

    private func connected(
        to database: String, _ body: (PostgresConnection) async throws -> Void
    ) async throws {
        let connection = try await PostgresConnection.connect(
            administrator.with(database: database), on: reactor)
        do {
            try await body(connection)
        } catch {
            await connection.close()
            throw Fault.database(error, doing: "prepare the database '\(database)'")
        }
        await connection.close()
    }
}
