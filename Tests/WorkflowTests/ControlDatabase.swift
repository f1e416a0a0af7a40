import ControlSchema
import Kernel
import Logging
import Postgres
import TestSupport

/// A control database of a test's own.
enum ControlDatabase {
    /// Runs `body` with a pool over a new database that has the control schema, and drops it afterwards.
    static func with(_ body: (PostgresPool) async throws -> Void) async throws {
        let server = try TestServers().postgres
        let name = "workflow_\(UInt64.random(in: 0...UInt64.max))"
        let administrator = try await PostgresConnection.connect(server, on: TestServers.reactor)
        try await administrator.run("create database \(identifier: name)")
        let pool = PostgresPool(
            server.with(database: name).with(settings: ["constintel.term": "0"]), maximum: 4,
            reactor: TestServers.reactor,
            logger: Logger(label: "test"))
        let result: Result<Void, any Error>
        do {
            try await pool.withConnection { try await $0.runScript(ControlSchema.sql) }
            result = .success(try await body(pool))
        } catch {
            result = .failure(error)
        }
        await pool.close()
        try await administrator.run("drop database \(identifier: name) with (force)")
        await administrator.close()
        try result.get()
    }
}
