import FoundationEssentials
import Kernel
import Logging
import Testing

@testable import Supervision

/// A fresh directory of one test, removed with it.
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

    func lines(of file: String) -> [String] {
        guard let text = try? String(contentsOfFile: "\(path)/\(file)", encoding: .utf8) else { return [] }
        return text.split(separator: "\n").map(String.init)
    }

    /// Returns once `file` has `count` lines.
    func untilLines(_ count: Int, in file: String) async -> [String] {
        while lines(of: file).count < count { await pollingPause() }
        return lines(of: file)
    }

    /// A unit that runs a Python program; `notify(text)` in it speaks to the supervisor, and `out(text)`
    /// appends a line to the file `out`.
    func python(_ name: String, _ program: String) -> UnitSpecification {
        let prelude = """
            import os, signal, socket, subprocess, sys, time
            def notify(text):
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                    s.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
            def out(text):
                with open("out", "a") as file: file.write(text + "\\n")

            """
        var unit = UnitSpecification(
            name: name, executable: "/usr/bin/python3", arguments: ["-c", prelude + program],
            logFile: "\(path)/\(name).log", readiness: .notify)
        unit.workingDirectory = path
        return unit
    }

    /// A child that is ready at once and stays, having written its pid to `out`.
    func steady(_ name: String) -> UnitSpecification {
        python(name, "out(str(os.getpid())); notify('READY=1')\nwhile True: time.sleep(60)")
    }

    func supervisor(clock: any Clock<Duration> = ContinuousClock()) throws -> ChildProcessSupervisor {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try ChildProcessSupervisor(directory: "\(path)/run", logger: logger, clock: clock)
    }
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

extension ChildProcessSupervisor {
    /// Returns once the unit has been started again `count` times and is ready.
    func untilReady(_ name: String, restarts count: Int) async {
        while true {
            if let status = await status(name), status.restarts == count, status.state == .ready { return }
            await pollingPause()
        }
    }
}
