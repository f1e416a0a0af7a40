import Foundation
import Kernel
import Reactor
import Testing

@testable import Redis

/// One reactor for all tests of this target, as a process has one.
let reactor = Reactor()

/// The server that all tests share.
enum SharedServer {
    static func configuration(commandTimeout: Duration = .seconds(5)) throws -> RedisConfiguration {
        let variable = "CONSTINTEL_TEST_REDIS_SOCKET"
        let path = try #require(
            ProcessInfo.processInfo.environment[variable], "\(variable) is not set: infra/test.sh sets it")
        return RedisConfiguration(socket: path, commandTimeout: commandTimeout)
    }

    /// Calls `body` with a connection of its own and a key that nobody else has.
    static func connected(
        commandTimeout: Duration = .seconds(5), _ body: (RedisConnection, String) async throws -> Void
    ) async throws {
        let connection = try await RedisConnection.connect(
            configuration(commandTimeout: commandTimeout), on: reactor)
        let key = "test:\(UUID())"
        do { try await body(connection, key) } catch {
            await connection.close()
            throw error
        }
        if await !connection.isClosed { try await connection.send("DEL", key) }
        await connection.close()
    }
}

/// A server of a test's own, to be stopped and started, beside the shared one.
final class PrivateServer {
    let directory: URL
    private var process = Process()

    init() throws {
        let shared = try SharedServer.configuration()
        directory = URL(filePath: shared.socket).deletingLastPathComponent()
            .appending(path: "redis-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try Data("user default on nopass ~* &* +@all\n".utf8).write(
            to: directory.appending(path: "users.acl"))
        try start()
    }

    deinit {
        if process.isRunning { stop() }
        try? FileManager.default.removeItem(at: directory)
    }

    var socket: String { directory.appending(path: "s").path }

    func configuration(user: String? = nil, password: Secret? = nil) -> RedisConfiguration {
        RedisConfiguration(socket: socket, user: user, password: password)
    }

    func start() throws {
        process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.currentDirectoryURL = directory
        process.standardOutput = FileHandle.nullDevice
        process.arguments = [
            "redis-server", "--port", "0", "--unixsocket", socket, "--aclfile", "users.acl",
            "--appendonly", "yes", "--appendfsync", "always",
        ]
        try process.run()
    }

    func stop() {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(atPath: socket)
    }
}

/// Calls `body` again when the loss of a connection fails it, or the server is still loading: a command may
/// be on its way before the loss of an idle connection is noticed. For commands that can be done twice.
func retried<Result>(_ body: () async throws -> Result) async throws -> Result {
    for _ in 0..<200 {
        do { return try await body() } catch let error as RedisError where error.isUnavailability {
            try await Task.sleep(for: .milliseconds(10))
        }
    }
    return try await body()
}

extension RedisValue {
    /// The string that `text` is in Redis.
    static func text(_ text: String) -> RedisValue { .string(Array(text.utf8)) }
}
