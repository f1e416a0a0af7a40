import Foundation
import Kernel
import Subprocess
import SystemPackage

/// A whole installation in a directory of its own, used from outside: the daemon in embedded mode, and the
/// command line.
public actor Installation {
    /// What a command has answered.
    public struct Answer: Sendable {
        public let status: Int32
        public let output: String
        public let errors: String
    }

    /// Where its state is; the name has few characters, since sockets lie below it.
    public nonisolated let directory: String
    public nonisolated let edge: String
    /// Where the programs are.
    public nonisolated let binaries: String
    private let templates: String
    private let environment: [String: String]
    private let postgresMegabytes: Int?
    private var daemon: (id: Int32, task: Task<Void, Never>)?

    /// - Parameters:
    ///   - environment: added to the daemon's, such as an armed failpoint.
    ///   - templates: where its templates are; nil for those of the product.
    ///   - postgresMegabytes: PostgreSQL's data directory is a file system of this size, which can be filled.
    public init(
        environment: [String: String] = [:], templates: String? = nil, postgresMegabytes: Int? = nil
    ) throws {
        func variable(_ name: String) throws -> String {
            guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else {
                throw TestServers.Missing(variable: name)
            }
            return value
        }
        binaries = try variable("CONSTINTEL_TEST_BINARIES")
        self.templates = try templates ?? variable("CONSTINTEL_TEST_TEMPLATES")
        directory = "\(try variable("CONSTINTEL_TEST_DIRECTORY"))/j\(Int.random(in: 100_000...999_999))"
        edge = "127.0.0.1:\(try Installation.freePort())"
        self.environment = environment
        self.postgresMegabytes = postgresMegabytes
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    /// What a shell needs to find this installation by its command line.
    public nonisolated var variables: [String: String] {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return ["CONSTINTEL_HOME": directory, "PATH": "\(binaries):\(path)"]
    }

    /// Starts the daemon and waits until it serves.
    public func start() async throws {
        let (started, starting) = AsyncStream.makeStream(of: Int32.self)
        let log = try FileDescriptor.open(
            "\(directory)/constinteld.log", .writeOnly, options: [.create, .append],
            permissions: [.ownerReadWrite])
        let (command, all) = (command, daemonEnvironment)
        let task = Task {
            _ = try? await Subprocess.run(
                .path(FilePath(command[0])), arguments: Arguments(Array(command.dropFirst())),
                environment: .inherit.updating(all), input: .none,
                output: .fileDescriptor(log, closeAfterSpawningProcess: false),
                error: .fileDescriptor(log, closeAfterSpawningProcess: true)
            ) { execution in
                starting.yield(execution.processIdentifier.value)
            }
            starting.finish()
        }
        var ids = started.makeAsyncIterator()
        guard let id = await ids.next() else { throw Failure("constinteld could not be launched") }
        daemon = (id, task)
        let answer = try await run("wait", "--timeout", "60")
        guard answer.status == 0 else {
            throw Failure("constinteld is not ready: \(answer.errors)\n\(logTail)")
        }
    }

    /// Stops the daemon as Ctrl-C does, and waits until it has ended.
    public func stop() async {
        guard let daemon else { return }
        kill(daemon.id, SIGTERM)
        await daemon.task.value
        self.daemon = nil
    }

    /// Kills the daemon alone; what it has started lives on.
    public func killDaemon() async {
        guard let daemon else { return }
        kill(daemon.id, SIGKILL)
        await daemon.task.value
        self.daemon = nil
    }

    /// Lets the daemon go on that a failpoint has frozen, once `work` is done.
    ///
    /// - Throws: when it does not freeze.
    public func whileDaemonIsFrozen(_ work: @Sendable () async throws -> Void) async throws {
        guard let daemon else { throw Failure("constinteld does not run") }
        for look in 0... {
            let text = (try? String(contentsOfFile: "/proc/\(daemon.id)/stat", encoding: .utf8)) ?? ""
            if text.contains(") T ") { break }
            guard look < 6000 else { throw Failure("constinteld has not been frozen: \(logTail)") }
            try await Task.sleep(for: .milliseconds(10))
        }
        defer { kill(daemon.id, SIGCONT) }
        try await work()
    }

    /// Kills every process of the installation at once.
    public func killEverything() async {
        let daemon = daemon
        for id in processes(matching: "") { kill(id, SIGKILL) }
        await daemon?.task.value
        self.daemon = nil
    }

    /// Kills the processes whose command line contains `text`; gives how many there were.
    @discardableResult
    public func killProcesses(matching text: String) -> Int {
        let ids = processes(matching: text)
        for id in ids { kill(id, SIGKILL) }
        return ids.count
    }

    /// Sends `signal` to the processes whose command line contains `text`; gives how many there were.
    @discardableResult
    public func signal(_ signal: Int32, toProcessesMatching text: String) -> Int {
        let ids = processes(matching: text)
        for id in ids { kill(id, signal) }
        return ids.count
    }

    /// Stops everything that is left and takes the directory away.
    public func remove() async {
        await stop()
        await killEverything()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// The command line's answer to `arguments`.
    public func run(_ arguments: String...) async throws -> Answer { try await run(arguments) }

    /// The same, with something to read.
    public func run(_ arguments: [String], input: String = "") async throws -> Answer {
        let result = try await Subprocess.run(
            .path(FilePath("\(binaries)/constintel")), arguments: Arguments(arguments),
            environment: .inherit.updating(["CONSTINTEL_HOME": directory]), input: .string(input),
            output: .string(limit: 16 * 1024 * 1024), error: .string(limit: 1024 * 1024))
        let status: Int32 =
            switch result.terminationStatus {
            case .exited(let code): Int32(code)
            default: -1
            }
        return Answer(status: status, output: result.standardOutput, errors: result.standardError)
    }

    /// The end of the daemon's log.
    public nonisolated var logTail: String {
        let text = (try? String(contentsOfFile: "\(directory)/constinteld.log", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").suffix(15).joined(separator: "\n")
    }

    /// What runs the daemon: with a small disk for PostgreSQL, in a mount namespace of its own.
    private var command: [String] {
        let daemon = ["\(binaries)/constinteld", "--embedded", "--templates", templates]
        guard let postgresMegabytes else { return daemon }
        let script = """
            mkdir -p "$0" && mount -t tmpfs -o size=\(postgresMegabytes)m,mode=0700 small "$0" &&
            exec unshare --user --map-user=\(getuid()) --map-group=\(getgid()) "$@"
            """
        return ["/usr/bin/unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c", script]
            + ["\(directory)/postgres"] + daemon
    }

    /// Fills the small disk of PostgreSQL to its last byte.
    public func fillDisk() throws {
        let path = try filler()
        let file = try FileDescriptor.open(
            path, .writeOnly, options: [.create, .append], permissions: [.ownerReadWrite])
        defer { try? file.close() }
        for size in [1 << 20, 1 << 12, 1] {
            let bytes = [UInt8](repeating: 0, count: size)
            while (try? file.writeAll(bytes)) != nil {}
        }
    }

    /// Takes away what `fillDisk` has written.
    public func freeDisk() throws { try FileManager.default.removeItem(atPath: filler()) }

    private func filler() throws -> String {
        guard let daemon, postgresMegabytes != nil else { throw Failure("PostgreSQL has no disk of its own") }
        return "/proc/\(daemon.id)/root\(directory)/postgres/filler"
    }

    private var daemonEnvironment: [Environment.Key: String?] {
        var all: [Environment.Key: String?] = ["CONSTINTEL_HOME": directory, "CONSTINTEL_EDGE": edge]
        for (name, value) in environment { all[.init(stringLiteral: name)] = value }
        return all
    }

    /// The processes of this installation: those that run in its directory, or name it.
    private func processes(matching text: String) -> [Int32] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap(Int32.init).filter { id in
            guard id != getpid() else { return false }
            let command = FileManager.default.contents(atPath: "/proc/\(id)/cmdline") ?? Data()
            let words = String(decoding: command, as: UTF8.self).replacing("\0", with: " ")
            let place = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/cwd")) ?? ""
            let isOurs = words.contains(directory) || place.hasPrefix(directory) || id == daemon?.id
            return isOurs && (text.isEmpty || words.contains(text))
        }
    }

    private static func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
            }
        }
        guard bound else { throw Failure("there is no free port") }
        return UInt16(bigEndian: address.sin_port)
    }
}

/// Why a test could not go on.
public struct Failure: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
