import FoundationEssentials
import Glibc
import Kernel
import Logging
import Supervision
import Testing

@testable import Embedded

/// A fresh directory of one test, removed with it. `CONSTINTEL_TEST_DIRECTORY` names a place with a short
/// path: sockets are made in it.
final class TestDirectory: Sendable {
    let path: String

    init() throws {
        let root =
            ProcessInfo.processInfo.environment["CONSTINTEL_TEST_DIRECTORY"]
            ?? FileManager.default.currentDirectoryPath + "/.build/tests"
        path = "\(root)/\(String(UInt32.random(in: .min ... .max), radix: 36))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The repository's templates.
let templates =
    ProcessInfo.processInfo.environment["CONSTINTEL_TEST_TEMPLATES"]
    ?? FileManager.default.currentDirectoryPath + "/templates"

/// Makes the servers believe that they are not root, when the tests are: they see our user as number 1000.
let servant =
    geteuid() == 0 ? ["/usr/bin/unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] : []

/// Services over `state`, on an address of their own.
func makeServices(over state: StateDirectory, edge: EdgeAddress? = nil) throws -> EmbeddedServices {
    EmbeddedServices(
        state: state, edge: try edge ?? freeAddress(), templates: templates, servant: servant)
}

func makeSupervisor(over state: StateDirectory) throws -> ChildProcessSupervisor {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return try ChildProcessSupervisor(directory: state.run, logger: logger)
}

/// Runs `body` while the supervisor runs, then stops all its units.
func running(
    _ supervisor: ChildProcessSupervisor, _ body: (ChildProcessSupervisor) async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await supervisor.run() }
        do {
            try await body(supervisor)
        } catch {
            await supervisor.stopAll()
            throw error
        }
        await supervisor.stopAll()
        group.cancelAll()
    }
}

/// Runs `body` while the supervisor runs, then drops the supervisor as a `kill -9` of its process would.
func runningUntilKilled(
    _ supervisor: ChildProcessSupervisor, _ body: (ChildProcessSupervisor) async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await supervisor.run() }
        try await body(supervisor)
        group.cancelAll()
    }
}

/// An address on which nobody listens.
func freeAddress() throws -> EdgeAddress {
    let listener = try Listener()
    return listener.address
}

/// Somebody else's program that listens on a port.
final class Listener: Sendable {
    let address: EdgeAddress
    private let socket: Int32

    init() throws {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(socket, address, length) == 0 && listen(socket, 1) == 0
                    && getsockname(socket, address, &length) == 0
            }
        }
        try #require(isListening)
        self.socket = socket
        self.address = try EdgeAddress("127.0.0.1:\(UInt16(bigEndian: address.sin_port))")
    }

    deinit { close(socket) }
}

/// Runs a client program to its end and returns what it printed.
func output(
    of program: String, _ arguments: [String], environment: [String: String] = [:],
    in directory: TestDirectory
) async throws -> String {
    let log = "\(directory.path)/\(UInt32.random(in: .min ... .max)).out"
    var command = Command(executable: "/usr/bin/\(program)", arguments: arguments, logFile: log)
    command.environment = environment
    try await command.run(doing: "ask \(program)")
    return try String(contentsOfFile: log, encoding: .utf8)
}

extension EmbeddedServices.Connections.Postgres {
    func query(_ sql: String, in directory: TestDirectory) async throws -> String {
        let environment = ["PGPASSWORD": password.reveal(), "PGHOST": host, "PGUSER": user]
        let arguments = ["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c", sql]
        return try await output(of: "psql", arguments, environment: environment, in: directory)
    }
}

extension EmbeddedServices.Connections.Redis {
    func ask(_ words: String..., in directory: TestDirectory) async throws -> String {
        let login = ["-s", socket, "--user", user, "--no-auth-warning"]
        return try await output(
            of: "redis-cli", login + words, environment: ["REDISCLI_AUTH": password.reveal()], in: directory)
    }
}

extension ChildProcessSupervisor {
    /// Kills the unit's process and returns once another is ready.
    func killAndAwait(_ name: String) async throws {
        let old = try #require(await status(name)?.pid)
        kill(old, SIGKILL)
        while true {
            if let status = await status(name), status.state == .ready, status.pid != old { return }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
