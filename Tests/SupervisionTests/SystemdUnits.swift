import FoundationEssentials
import Glibc
import Kernel
import Logging
import Reactor

@testable import Supervision

/// Whether there is a systemd that tests may do with as they like: a boxed one, and we are root in it.
let hasSystemd = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_SYSTEMD"] == "1"

/// Whether the boxed systemd has a D-Bus daemon beside it.
let hasSystemBus = access("/run/dbus/system_bus_socket", F_OK) == 0

/// A template of one test, installed in the boxed systemd, with a supervisor over it. `remove` takes all
/// away.
final class TestTemplate: Sendable {
    let name: String
    let directory: String
    let bus: SystemdBus
    let journal: Journal
    let supervisor: SystemdSupervisor
    static let root = SystemdSupervisor.systemUnits

    init(restart: String = "on-failure", limit: String = "0") async throws {
        name = "constintel-test-\(String(UInt32.random(in: .min ... .max), radix: 36))"
        directory = "/run/\(name)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try TestTemplate.write(
            """
            [Unit]
            Requires=\(name)@%i.socket
            After=\(name)@%i.socket
            StartLimitIntervalSec=\(limit)
            StartLimitBurst=3
            [Service]
            Type=notify
            ExecStart=/bin/false
            Restart=\(restart)
            RestartSec=100ms
            """, "\(name)@.service")
        try TestTemplate.write(
            """
            [Unit]
            StartLimitIntervalSec=0
            [Socket]
            ListenStream=\(directory)/%i.sock
            TriggerLimitIntervalSec=0
            [Install]
            WantedBy=sockets.target
            """, "\(name)@.socket")
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let reactor = Reactor()
        bus = SystemdBus(on: reactor, logger: logger)
        journal = Journal(on: reactor)
        supervisor = SystemdSupervisor(template: name, bus: bus, journal: journal, logger: logger)
    }

    static func write(_ text: String, _ file: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(root)/\(file)"))
    }

    /// Another supervisor over the same units, as after a restart of its process.
    func successor() -> SystemdSupervisor {
        let logger = Logger(label: "test")
        return SystemdSupervisor(template: name, bus: bus, journal: journal, logger: logger)
    }

    func unit(_ instance: String) -> String { "\(name)@\(instance)" }

    /// A server that is ready when its program says so, and answers each connection with its pid; `notify`
    /// and `out` are as in `TestDirectory`.
    func python(_ instance: String, _ program: String = "serve()") -> UnitSpecification {
        let prelude = """
            import os, select, signal, socket, sys, time
            def notify(text):
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                    s.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
            def out(text):
                with open("\(directory)/\(instance).out", "a") as file: file.write(text + "\\n")
            def serve():
                out(str(os.getpid()))
                notify("READY=1\\nSTATUS=serving")
                listener = socket.socket(fileno=3)
                signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
                while True:
                    select.select([listener], [], [])
                    # Who was taken in is answered before we leave.
                    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
                    peer, _ = listener.accept()
                    peer.sendall(str(os.getpid()).encode())
                    peer.close()
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

            """
        return UnitSpecification(
            name: unit(instance), executable: "/usr/bin/python3", arguments: ["-c", prelude + program],
            logFile: "/dev/null", readiness: .notify)
    }

    func lines(_ instance: String) -> [String] {
        guard let text = try? String(contentsOfFile: "\(directory)/\(instance).out", encoding: .utf8) else {
            return []
        }
        return text.split(separator: "\n").map(String.init)
    }

    /// Connects to the instance and returns what it answers; nil when it refuses.
    func ask(_ instance: String) -> String? {
        guard let address = UnixSocketAddress("\(directory)/\(instance).sock") else { return nil }
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(socket) }
        guard address.withSockaddr({ connect(socket, $0, $1) }) == 0 else { return nil }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = recv(socket, &buffer, buffer.count, 0)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    func until(_ instance: String, _ isReached: (UnitStatus?) -> Bool) async -> UnitStatus? {
        while true {
            let status = await supervisor.status(unit(instance))
            if isReached(status) { return status }
            await pollingPause()
        }
    }

    func remove() async throws {
        for name in await supervisor.statuses().keys { try await supervisor.stop(name) }
        for kind in ["service", "socket"] {
            try FileManager.default.removeItem(atPath: "\(TestTemplate.root)/\(name)@.\(kind)")
        }
        try? FileManager.default.removeItem(atPath: directory)
        try await bus.reload()
        await bus.close()
    }
}

/// Runs `body` with a template of its own.
func withTemplate(
    restart: String = "on-failure", limit: String = "0", _ body: (TestTemplate) async throws -> Void
) async throws {
    let template = try await TestTemplate(restart: restart, limit: limit)
    do {
        try await body(template)
    } catch {
        try? await template.remove()
        throw error
    }
    try await template.remove()
}
