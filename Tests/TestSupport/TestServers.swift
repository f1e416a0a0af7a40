import Foundation
import Kernel
import Postgres
import Reactor
import Redis

/// The private PostgreSQL and Redis that `infra/test.sh` starts for a test run, and names in the environment.
public struct TestServers: Sendable {
    /// Says what to do when a test runs outside of `infra/test.sh`.
    public struct Missing: Error, CustomStringConvertible {
        let variable: String
        public var description: String {
            "\(variable) is not set; run the tests by infra/test.sh, which starts the servers they need"
        }
    }

    /// Shared by all tests of a process: a reactor lives as long as its process.
    public static let reactor = Reactor()

    /// The superuser's way to the database `postgres`.
    public let postgres: PostgresConfiguration
    public let redis: RedisConfiguration

    /// A directory for what tests write, with a short path, since sockets lie below it.
    public static func directory() throws -> String { try variable("CONSTINTEL_TEST_DIRECTORY") }

    public init() throws {
        postgres = PostgresConfiguration(
            host: try TestServers.variable("CONSTINTEL_TEST_POSTGRES_HOST"), database: "postgres",
            user: try TestServers.variable("CONSTINTEL_TEST_POSTGRES_USER"),
            password: Secret(try TestServers.variable("CONSTINTEL_TEST_POSTGRES_PASSWORD")),
            applicationName: "tests")
        redis = RedisConfiguration(
            socket: try TestServers.variable("CONSTINTEL_TEST_REDIS_SOCKET"), user: nil, password: nil)
    }

    private static func variable(_ name: String) throws -> String {
        guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else {
            throw Missing(variable: name)
        }
        return value
    }
}
