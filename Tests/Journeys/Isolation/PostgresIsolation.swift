import Kernel
import Postgres
import TestSupport

/// What a brand's role can do in PostgreSQL to what is not its own.
struct PostgresIsolation: Sendable {
    let neighbours: Neighbours

    /// Tables that the control plane writes and the instance only reads.
    private static let projected: Set<String> = ["brand_state", "api_key"]

    /// Tries everything that the live catalog shows as each of `brands`.
    ///
    /// - Parameter mayLook: with the right to look into every schema given for the time of the proof, so that
    ///   each table's own rights are seen to stand.
    func tryEverything(as brands: [Neighbour], mayLook: Bool = false) async throws -> Ledger {
        let superuser = try await neighbours.superuser()
        let catalog = try await Catalog.read(superuser)
        var ledger = Ledger()
        for brand in brands {
            for right in try await Catalog.rights(of: brand.role, in: brand.schema, superuser) {
                ledger.note("rights", "\(brand.role) has \(right)", breach: "it has")
            }
            ledger.note("rights", "the catalog of \(brand.role)", breach: nil)
            if mayLook { try await look(brand, at: catalog, superuser, "grant", "to") }
            let result = await Result { try await attempts(as: brand, mayLook: mayLook, catalog) }
            if mayLook { try await look(brand, at: catalog, superuser, "revoke", "from") }
            ledger += try result.get()
            ledger += try await connections(as: brand, catalog)
        }
        await superuser.close()
        return ledger
    }

    private func look(
        _ brand: Neighbour, at catalog: Catalog, _ superuser: PostgresConnection, _ verb: String,
        _ preposition: String
    ) async throws {
        for schema in catalog.schemas where schema != brand.schema && schema != "public" {
            try await superuser.run(
                SQL(raw: "\(verb) usage on schema \"\(schema)\" \(preposition) \"\(brand.role)\""))
        }
    }

    private func temptations(of brand: Neighbour, mayLook: Bool, _ catalog: Catalog) -> [Temptation] {
        let tempting = Temptations(role: brand.role, mayLook: mayLook)
        let foreign = catalog.objects.filter { $0.schema != brand.schema }
        let own = catalog.objects.filter { $0.schema == brand.schema }
        var all = foreign.flatMap { tempting.of($0) }
        for schema in catalog.schemas where schema != brand.schema && schema != "public" {
            let tables = foreign.filter { $0.schema == schema && $0.kind == "table" }.map(\.name)
            all += tempting.ofSchema(schema, tables: tables)
        }
        all += own.flatMap { tempting.ofOwn($0, projected: PostgresIsolation.projected) }
        if mayLook { return all.filter { $0.kind != "schema" || !tempting.isPassingOn($0) } }
        all += catalog.roles.filter { $0 != brand.role }.flatMap { tempting.ofRole($0) }
        all += tempting.ofServer + catalog.kept.map { tempting.ofKept($0) }
        let sessions = catalog.sessions.filter { $0.role != brand.role }
        return all + sessions.flatMap { tempting.ofProcess($0.process) }
    }

    private func attempts(as brand: Neighbour, mayLook: Bool, _ catalog: Catalog) async throws -> Ledger {
        let connection = try await neighbours.connection(as: brand, to: "constintel_brands")
        let temptations = temptations(of: brand, mayLook: mayLook, catalog)
        try await connection.runScript(PostgresIsolation.attempt)
        let answers = try await connection.run(
            """
            select pg_temp.attempt(statement)
            from unnest(\(temptations.map(\.statement))) with ordinality as t (statement, place)
            order by place
            """
        ).decode(String.self)
        var ledger = Ledger()
        for (temptation, answer) in zip(temptations, answers) {
            ledger.note(
                temptation.kind, "\(brand.role): \(temptation.statement)",
                breach: temptation.refusals.contains(String(answer.prefix(5))) ? nil : answer)
        }
        if !mayLook { try await outside(brand, catalog, connection, &ledger) }
        await connection.close()
        return ledger
    }

    /// What cannot be tried inside of a function.
    private func outside(
        _ brand: Neighbour, _ catalog: Catalog, _ connection: PostgresConnection, _ ledger: inout Ledger
    ) async throws {
        let statements = [
            "alter system set log_statement = 'all'", "create database mine",
            "drop database constintel_control", "create tablespace mine location '/tmp'",
            "reindex system constintel_brands",
        ]
        for statement in statements {
            ledger.note("server", "\(brand.role): \(statement)", breach: await answer {
                try await connection.run(SQL(raw: statement))
            })
        }
        for table in catalog.objects where table.kind == "table" && table.schema != brand.schema {
            for direction in ["to stdout", "from stdin"] {
                let statement = "copy \(table.qualified) \(direction)"
                ledger.note("copy", "\(brand.role): \(statement)", breach: await answer {
                    if direction == "to stdout" {
                        _ = try await connection.transaction { try await $0.copyOut(statement) { _ in } }
                    } else {
                        _ = try await connection.copyIn(statement, rows: [])
                    }
                })
            }
        }
    }

    /// Nil when the server refuses for want of a right; otherwise what it did.
    private func answer(_ body: () async throws -> Void) async -> String? {
        do {
            try await body()
            return "done"
        } catch let error as PostgresError {
            return error.sqlState == "42501" ? nil : "\(error)"
        } catch {
            return "\(error)"
        }
    }

    /// Logging in where it does not belong, and as somebody else.
    private func connections(as brand: Neighbour, _ catalog: Catalog) async throws -> Ledger {
        var ledger = Ledger()
        for database in catalog.databases where database != "constintel_brands" {
            let opened = try? await neighbours.connection(as: brand, to: database)
            await opened?.close()
            ledger.note(
                "connect", "\(brand.role) to \(database)", breach: opened == nil ? nil : "connected")
        }
        return ledger
    }

    /// Runs a statement and takes it back; says with which SQLSTATE it was refused, or that it was done.
    private static let attempt = """
        create function pg_temp.attempt(statement text) returns text language plpgsql as $body$
        begin
            execute statement;
            raise exception using errcode = 'ZZ000', message = 'it was done';
        exception when others then
            return sqlstate || ' ' || sqlerrm;
        end
        $body$
        """
}

extension Result where Failure == any Error {
    /// What `body` returns or throws.
    init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
