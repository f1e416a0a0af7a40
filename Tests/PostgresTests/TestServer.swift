import Foundation
import Kernel
import Logging
import Postgres
import Reactor
import Testing

/// The private server that `infra/test.sh` starts.
enum TestServer {
    static let reactor = Reactor()

    static func configuration() throws -> PostgresConfiguration {
        func variable(_ name: String) throws -> String {
            try #require(
                ProcessInfo.processInfo.environment["CONSTINTEL_TEST_POSTGRES_\(name)"],
                "CONSTINTEL_TEST_POSTGRES_\(name) is not set; infra/test.sh sets it")
        }
        return try PostgresConfiguration(
            host: variable("HOST"), database: "postgres", user: variable("USER"),
            password: Secret(variable("PASSWORD")), applicationName: "tests")
    }

    static func connect() async throws -> PostgresConnection {
        try await .connect(configuration(), on: reactor)
    }

    static func pool(maximum: Int, patience: Duration = .seconds(30)) throws -> PostgresPool {
        try PostgresPool(
            configuration(), maximum: maximum, reactor: reactor, logger: Logger(label: "tests"),
            patience: patience)
    }

    /// Waits until some other session of `server` runs the statement of `marker`.
    static func waitUntilRunning(_ marker: String) async throws {
        let observer = try await connect()
        let pattern = "%\(marker)%"
        while try await observer.run(
            """
            select 1 from pg_stat_activity
            where state = 'active' and query like \(pattern) and pid <> pg_backend_pid()
            """
        ).isEmpty { try await Task.sleep(for: .milliseconds(2)) }
        await observer.close()
    }
}

/// The SQLSTATE that `body` fails with; nil when it does not, or with something else.
func sqlState(_ body: () async throws -> Void) async -> String? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? PostgresError)?.sqlState
    }
}
