import Contract
import Foundation
import Kernel
import Postgres
import TestSupport
import Testing

/// What PostgreSQL allows to everybody in one database, used by one brand while another lives on.
struct EverybodysRights {
    let neighbours: Neighbours

    /// Expects that what one brand does with them is not felt by the others.
    func haveNoEffect() async throws {
        let (brand, other) = (neighbours.brands[0], neighbours.brands[1])
        let connection = try await neighbours.connection(as: brand, to: "constintel_brands")
        try await readsNothing(brand, connection)
        try await isBounded(connection)
        let before = try await stats(of: other)
        // Also where the server lets everybody take them.
        let superuser = try await neighbours.superuser()
        try await allowLocks(superuser, "grant", "to")
        let result = await Result {
            try await takeEverything(brand, connection)
            try await others(live: other, before)
        }
        try await allowLocks(superuser, "revoke", "from")
        await superuser.close()
        await connection.close()
        try result.get()
        let catalogue = try await PostgresIsolation(neighbours: neighbours).tryEverything(as: [brand])
        #expect(catalogue.breaches.isEmpty, "\(catalogue.shown)")
    }

    /// What everybody can read in the catalog has no word of another brand; one's own words are found there.
    private func readsNothing(_ brand: Neighbour, _ connection: PostgresConnection) async throws {
        let superuser = try await neighbours.superuser()
        try await superuser.run("analyze")
        await superuser.close()
        let readable = try await connection.run(
            """
            select relname::text from pg_class join pg_namespace n on n.oid = relnamespace
            where nspname = 'pg_catalog' and relkind in ('r', 'v')
              and has_table_privilege(pg_class.oid, 'select')
            order by 1
            """
        ).decode(String.self)
        var own = 0
        for name in readable {
            for neighbour in neighbours.brands {
                let rows = try await connection.run(
                    """
                    select count(*) from \(identifier: name) t
                    where strpos(t::text, \(neighbour.canary)) > 0 and t::text not like '%strpos(t::text%'
                    """)
                let count = try rows[0].decode(Int64.self)
                if neighbour.slug == brand.slug { own += Int(count) } else {
                    #expect(count == 0, "\(name) tells of \(neighbour.slug)")
                }
            }
        }
        print("isolation in PostgreSQL: \(readable.count) catalogs read, \(own) with the reader's own words")
        #expect(readable.count > 80 && own > 0)
    }

    /// What a session may set for itself, and what it may not.
    private func isBounded(_ connection: PostgresConnection) async throws {
        let limits = try await connection.run(
            """
            select current_setting('temp_file_limit'), rolconnlimit from pg_roles where rolname = current_user
            """)
        let (files, connections) = try limits[0].decode((String, Int32).self)
        #expect(files != "-1", "temporary files have no limit")
        #expect(connections > 0)
    }

    private func takeEverything(_ brand: Neighbour, _ connection: PostgresConnection) async throws {
        for channel in ["constintel", "leadership", "events", neighbours.brands[1].schema] {
            try await connection.run("listen \(identifier: channel)")
            try await connection.run("select pg_notify(\(channel), 'nonsense')")
        }
        // The very locks that the sources name, and many more.
        for name in try EverybodysRights.locksInSources() {
            try await connection.run("select pg_try_advisory_lock(hashtext(\(name)))")
            try await connection.run("select pg_try_advisory_lock(hashtextextended(\(name), 0))")
        }
        try await connection.run("select count(pg_advisory_lock(n)) from generate_series(1, 3000) n")
        for table in ["customer_profile", "api_key", "brand_state"] {
            try await connection.run("create temporary table \(identifier: table) (id int)")
        }
        await connection.run(ignoringErrors: "set statement_timeout = 0")
    }

    /// The names of advisory locks, as the sources have them.
    private static func locksInSources() throws -> Set<String> {
        let root = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_CHECKOUT"] ?? "."
        var names: Set<String> = []
        for case let file as String in FileManager.default.enumerator(atPath: "\(root)/Sources") ?? .init()
        where file.hasSuffix("Store.swift") {
            let text = try String(contentsOfFile: "\(root)/Sources/\(file)", encoding: .utf8)
            let locks = text.matches(of: /hashtext(?:extended)?\('([^']+)'/)
            names.formUnion(locks.map { String($0.1) })
        }
        guard names.count > 3 else { throw Failure("the sources name only the locks \(names)") }
        return names
    }

    /// Another brand takes events and shows profiles, and the control plane makes and purges a brand.
    private func others(live brand: Neighbour, _ before: StatsView) async throws {
        let headers = [
            ("Authorization", "Bearer \(brand.credentials[0].value)"), ("Content-Type", "application/json"),
            ("Prefer", "wait"),
        ]
        let event = #"{"type": "page_view", "identifiers": {"email": "later-\#(brand.email)"}}"#
        let reply = try await neighbours.installation.http(
            "POST", "/b/\(brand.slug)/api/events", headers: headers, body: Array(event.utf8))
        #expect(reply.status == 200, "\(reply.text)")
        #expect(try await stats(of: brand).events == before.events + 1)
        for arguments in [
            ["brand", "create", "latecomer", "--brand-plan", "free"],
            ["brand", "refold", brand.slug.text, "--plan"], ["job", "run", "partitions"],
            ["brand", "delete", "latecomer", "--yes"],
            ["brand", "purge", "latecomer", "--confirm", "latecomer"],
        ] {
            let answer = try await neighbours.installation.run(arguments)
            #expect(answer.status == 0, "\(arguments): \(answer.output)\(answer.errors)")
        }
    }

    private func stats(of brand: Neighbour) async throws -> StatsView {
        let answer = try await neighbours.installation.run(
            ["brand", "stats", brand.slug.text, "--output", "json"])
        return try JSONDecoder().decode(StatsView.self, from: Data(answer.output.utf8))
    }

    private func allowLocks(
        _ superuser: PostgresConnection, _ verb: String, _ preposition: String
    ) async throws {
        try await superuser.run(
            SQL(
                raw: """
                    do $$ declare f regprocedure; begin
                        for f in select oid from pg_proc where proname ~ 'advisory' loop
                            execute format('\(verb) execute on function %s \(preposition) public', f);
                        end loop;
                    end $$
                    """))
    }
}

extension PostgresConnection {
    fileprivate func run(ignoringErrors statement: SQL) async { _ = try? await run(statement) }
}
