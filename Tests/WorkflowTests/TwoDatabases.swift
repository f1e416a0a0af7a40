import ControlSchema
import Kernel
import Logging
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import Workflow

/// The two databases of an installation of a test's own.
struct TwoDatabases: Sendable {
    let name: String
    let server: PostgresConfiguration

    static let change: SQL = """
        insert into plan (name, initial_status, limits) values (gen_random_uuid()::text, 'trial', '{}')
        """
    static let check: SQL = "select constintel.require_term()"

    var control: PostgresConfiguration { server.with(database: name) }
    var brands: PostgresConfiguration { server.with(database: "\(name)_brands") }
    var role: String { "\(name)_role" }

    /// Runs `body` over two new databases, and drops them afterwards.
    static func with(_ body: (TwoDatabases) async throws -> Void) async throws {
        let installation = TwoDatabases(
            name: "leaders_\(UInt64.random(in: 0...UInt64.max))", server: try TestServers().postgres)
        let names = [installation.name, "\(installation.name)_brands"]
        let administrator = try await PostgresConnection.connect(
            installation.server, on: TestServers.reactor)
        for name in names { try await administrator.run("create database \(identifier: name)") }
        let result: Result<Void, any Error>
        do {
            let control = try await PostgresConnection.connect(installation.control, on: TestServers.reactor)
            try await control.runScript(ControlSchema.sql)
            await control.close()
            result = .success(try await body(installation))
        } catch {
            result = .failure(error)
        }
        for name in names { try await administrator.run("drop database \(identifier: name) with (force)") }
        await administrator.close()
        try result.get()
    }

    /// One who would lead, with times that pass quickly.
    func stand(
        _ holder: String, isAlone: Bool = false,
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) -> Leadership {
        var settings = Leadership.Settings()
        settings.poll = .milliseconds(10)
        settings.heartbeat = .milliseconds(20)
        settings.limit = .milliseconds(1500)
        settings.idleTransaction = .milliseconds(1000)
        settings.isAlone = isAlone
        settings.holder = holder
        return Leadership(
            control: control, brands: brands, reactor: TestServers.reactor, settings: settings,
            logger: logger)
    }

    /// A session in each database, as the pools of `lead` have them.
    func connect(_ lead: Lead) async throws -> [PostgresConnection] { try await connect(lead.session) }

    func connect(_ session: [String: String]) async throws -> [PostgresConnection] {
        var connections: [PostgresConnection] = []
        for database in [control, brands] {
            connections.append(
                try await PostgresConnection.connect(
                    database.with(settings: session), on: TestServers.reactor))
        }
        return connections
    }

    /// Changes both databases in the lead's name.
    func write(_ lead: Lead) async throws {
        let connections = try await connect(lead)
        try await connections[0].run(TwoDatabases.change)
        try await connections[1].transaction { try await LeadershipStore.requireTerm(in: $0) }
        for connection in connections { await connection.close() }
    }

    /// Sees that the lead can change neither.
    func expectRefusals(_ lead: Lead) async throws {
        let connections = try await connect(lead)
        let before = try await changes()
        let first = await #expect(throws: PostgresError.self) {
            try await connections[0].run(TwoDatabases.change)
        }
        let second = await #expect(throws: PostgresError.self) {
            try await connections[1].transaction { try await LeadershipStore.requireTerm(in: $0) }
        }
        #expect(first?.sqlState == "CI001")
        #expect(second?.sqlState == "CI001")
        #expect(try await changes() == before)
        for connection in connections { await connection.close() }
    }

    /// How many changes there have been to the control database.
    func changes() async throws -> Int {
        try await read("select count(*) from plan").decode(Int.self)
    }

    func term() async throws -> Int64 { try await read("select term from leadership").decode(Int64.self) }

    func administrator(_ statement: SQL) async throws {
        let connection = try await PostgresConnection.connect(control, on: TestServers.reactor)
        try await connection.run(statement)
        await connection.close()
    }

    /// Ends every leader's session, as a restart of the server does.
    func endSessions() async throws {
        let ended = try await read(
            """
            select count(pg_terminate_backend(pid)) from pg_stat_activity
            where datname = current_database() and application_name = 'constinteld leader'
            """
        ).decode(Int.self)
        #expect(ended > 0)
    }

    private func read(_ statement: SQL) async throws -> PostgresRow {
        let connection = try await PostgresConnection.connect(control, on: TestServers.reactor)
        let row = try await connection.run(statement)[0]
        await connection.close()
        return row
    }

    /// A logger, and what it is told.
    func toldLogger() -> (Told, Logger) {
        let (lines, told) = AsyncStream.makeStream(of: String.self)
        return (Told(lines: lines), Logger(label: "test") { _ in TellingHandler(told: told) })
    }
}

/// Lines of a log as they come.
struct Told: Sendable {
    let lines: AsyncStream<String>

    /// Waits for a line.
    func first(_ isIt: @Sendable (String) -> Bool) async throws {
        for await line in lines where isIt(line) { return }
        throw CancellationError()
    }
}

private struct TellingHandler: LogHandler {
    let told: AsyncStream<String>.Continuation
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { told.yield("\(event.message)") }
}
