import Contract
import ControlSchema
import Kernel
import Postgres
import Testing
import TestSupport

@testable import ControlPlane

@Suite("The control plane's role in its database")
struct RoleTests {
    @Test("the daemon's sessions act as a role that owns nothing and cannot log in")
    func role() async throws {
        try await TestPlane.with { test in
            let role = try await test.foundations.control.run(
                """
                select current_user::text, rolcanlogin or rolsuper from pg_roles
                where rolname = current_user
                """)
            let (name, isMighty) = try role[0].decode((String, Bool).self)
            #expect(name == "constintel_control" && !isMighty)
            let owned = try await test.foundations.control.run(
                "select count(*) from pg_class where relowner = \(ControlSchema.role)::regrole")
            #expect(try owned[0].decode(Int64.self) == 0)
        }
    }

    @Test("each table grants it just what the daemon does with it")
    func grants() async throws {
        try await TestPlane.with { test in
            let rows = try await test.foundations.control.run(
                """
                select tablename::text, array_to_string(array(
                    select name from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE',
                        'REFERENCES', 'TRIGGER']) as name
                    where has_table_privilege(\(ControlSchema.role), quote_ident(tablename), name)), ' ')
                from pg_tables where schemaname = 'public'
                """
            ).decode((String, String).self)
            var expected = [
                "audit_log": "SELECT INSERT", "retired_slug": "SELECT INSERT",
                "market_publication": "SELECT INSERT", "backup_receipt": "SELECT INSERT",
                "schema_version": "SELECT", "leadership": "SELECT",
            ]
            for table in ControlSchema.written { expected[table] = "SELECT INSERT UPDATE DELETE" }
            #expect(Dictionary(uniqueKeysWithValues: rows) == expected)
        }
    }

    @Test("it can neither change the schema, nor who leads, nor empty a table, nor log in elsewhere")
    func refusals() async throws {
        try await TestPlane.with { test in
            let refused: [SQL] = [
                "create table mine (id int)", "drop table brand", "alter table brand add column mine int",
                "truncate audit_log", "truncate idempotency_key", "update leadership set term = 7",
                "delete from market_publication", "update brand_metrics_history set revenue = 1",
                "update leadership set holder = 'me'", "delete from leadership",
                "insert into leadership (term, holder, since) values (7, 'me', now())",
                "update schema_version set version = 1", "delete from retired_slug",
                "alter table audit_log disable trigger all", "drop trigger append_only on audit_log",
                "alter function refuse_rewriting() rename to other", "create role mine",
                "create schema mine",
            ]
            for statement in refused {
                let error = await #expect(throws: PostgresError.self, "\(statement)") {
                    try await test.foundations.control.run(statement)
                }
                #expect(error?.sqlState == "42501", "\(statement)")
            }
            try await test.foundations.control.run("select from leadership for share")
        }
    }

    @Test("rows of the audit log are only added, also by the owner of the table")
    func appendOnly() async throws {
        try await TestPlane.with { test in
            _ = try await test.reserve()
            let before = try await test.auditRows()
            #expect(before.count == 2)
            let statements: [SQL] = [
                "update audit_log set actor = 'nobody'", "update audit_log set detail = null where false",
                "delete from audit_log", "truncate audit_log", "truncate audit_log, brand cascade",
                """
                insert into audit_log select * from audit_log
                on conflict (id) do update set actor = 'nobody'
                """,
            ]
            for statement in statements {
                let byRole = await #expect(throws: PostgresError.self, "\(statement)") {
                    try await test.foundations.control.run(statement)
                }
                #expect(byRole?.sqlState == "42501" && byRole?.message.contains("denied") == true)
                let byOwner = await #expect(throws: PostgresError.self, "\(statement)") {
                    try await test.asOwner { try await $0.run(statement) }
                }
                #expect(byOwner?.message == "the audit log is only added to", "\(statement)")
            }
            #expect(try await test.auditRows() == before)
        }
    }

    @Test("a right that the role was given meanwhile is taken back when a daemon starts")
    func regrants() async throws {
        try await TestPlane.with { test in
            try await test.asOwner { try await $0.run("grant update on audit_log to constintel_control") }
            try await test.schema().prepare()
            let right = try await test.foundations.control.run(
                "select has_table_privilege('audit_log', 'UPDATE')")
            #expect(try !right[0].decode(Bool.self))
        }
    }

    @Test("many that prepare one installation at once all succeed")
    func atOnce() async throws {
        let servers = try TestServers()
        let name = "control_\(UInt64.random(in: 0...UInt64.max))"
        let schema = SchemaStore(
            administrator: servers.postgres, control: name, brands: "\(name)_brands",
            reactor: TestServers.reactor)
        let result = await Result {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<6 { group.addTask { try await schema.prepare() } }
                try await group.waitForAll()
            }
        }
        let administrator = try await PostgresConnection.connect(
            servers.postgres, on: TestServers.reactor)
        for database in [name, "\(name)_brands"] {
            try await administrator.run("drop database if exists \(identifier: database) with (force)")
        }
        await administrator.close()
        try result.get()
    }
}

extension Result where Failure == any Error {
    /// What `body` returns or throws.
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

extension TestPlane {
    /// All rows of the audit log as text, in their order.
    func auditRows() async throws -> [String] {
        try await foundations.control.run("select audit_log::text from audit_log order by id").map {
            try $0.decode(0, as: String.self)
        }
    }
}
