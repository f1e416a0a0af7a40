import Glibc
import Kernel
import Testing

@testable import Supervision

/// One at a time: one of them has systemd execute itself anew, and the journal is everybody's.
@Suite("A real systemd", .enabled(if: hasSystemd), .serialized)
enum RealSystemd {}

extension RealSystemd {
    @Suite("A supervisor over systemd", .timeLimit(.minutes(2)))
    struct SupervisorTests {}
}

extension RealSystemd.SupervisorTests {
    @Test("a unit is launched, is ready when it says so, and is gone after its stop; both can be repeated")
    func life() async throws {
        try await withTemplate { test in
            let unit = test.python("a")
            #expect(await test.supervisor.status(unit.name) == nil)
            for _ in 0..<2 { try await test.supervisor.start(unit) }
            try await test.supervisor.awaitReady(unit.name)
            let status = await test.supervisor.status(unit.name)
            #expect(status?.state == .ready && status?.message == "serving" && status?.restarts == 0)
            #expect(status?.specification == unit.digest)
            #expect(status?.pid.map(String.init) == test.ask("a"))
            #expect(await test.supervisor.statuses() == [unit.name: status])
            let link = "\(TestTemplate.root)/sockets.target.wants/\(unit.name).socket"
            #expect(access(link, F_OK) == 0, "it listens again after a boot")
            #expect(try await test.supervisor.look(unit.name).socket.unitFileState == "enabled")
            for _ in 0..<2 { try await test.supervisor.stop(unit.name) }
            #expect(access(link, F_OK) != 0)
            #expect(DropInFiles(root: TestTemplate.root).text(unit.name) == nil)
            #expect(await test.supervisor.status(unit.name) == nil)
            #expect(test.ask("a") == nil)
            #expect(test.lines("a").count == 1)
            try await test.supervisor.stop(test.unit("never-heard-of"))
        }
    }

    @Test("a unit on request sleeps until somebody connects, and a unit that sleeps is there")
    func asleep() async throws {
        try await withTemplate { test in
            var unit = test.python("a")
            unit.activation = .onRequest
            try await test.supervisor.start(unit)
            try await test.supervisor.awaitReady(unit.name)
            let status = await test.supervisor.status(unit.name)
            #expect(status?.state == .asleep && status?.pid == nil && status?.specification == unit.digest)
            #expect(test.lines("a").isEmpty)
            let pid = try #require(test.ask("a"))
            #expect(await test.until("a") { $0?.state == .ready }?.pid.map(String.init) == pid)
            // Starting again what runs changes nothing.
            try await test.supervisor.start(unit)
            #expect(test.ask("a") == pid)
        }
    }

    @Test("another specification replaces the process and keeps the socket; the same one does not")
    func replacement() async throws {
        try await withTemplate { test in
            var unit = test.python("a")
            try await test.supervisor.start(unit)
            try await test.supervisor.awaitReady(unit.name)
            let first = try #require(await test.supervisor.status(unit.name)?.pid)
            unit.environment["NASTY"] = "a \"quoted\" 100% $HOME \\ 'é'\nline"
            unit.arguments[1] += "\n# other"
            try await test.supervisor.start(unit)
            // Nobody is refused while the processes change.
            for _ in 0..<20 { #expect(test.ask("a") != nil) }
            try await test.supervisor.awaitReady(unit.name)
            let second = await test.supervisor.status(unit.name)
            #expect(second?.pid != first && second?.specification == unit.digest && second?.restarts == 0)
            try await test.successor().start(unit)
            #expect(await test.supervisor.status(unit.name)?.pid == second?.pid)
        }
    }

    @Test("arguments and variables reach the process as they are")
    func nasty() async throws {
        try await withTemplate { test in
            let texts = [
                "", " ", "a\"b", "\\", "\\x41", "100%%n", "$HOME ${HOME}", ";", "two\nlines\t", "\u{7}é'",
            ]
            var unit = test.python("a", "out(repr(sys.argv[1:])); out(repr(os.environ['NASTY'])); serve()")
            unit.arguments += texts
            unit.environment["NASTY"] = texts.dropLast().joined(separator: "|")
            try await test.supervisor.start(unit)
            try await test.supervisor.awaitReady(unit.name)
            let (list, value) = (python(texts), python([unit.environment["NASTY"] ?? ""]))
            let plain = test.python("b", "out(repr(\(list))); out(repr(\(value)[0])); serve()")
            try await test.supervisor.start(plain)
            try await test.supervisor.awaitReady(plain.name)
            #expect(test.lines("a").dropLast() == test.lines("b").dropLast())
        }
    }

    /// A list of texts in Python, through hexadecimal digits.
    private func python(_ texts: [String]) -> String {
        let items = texts.map { text in
            let digits = text.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            return "bytes.fromhex('\(digits)').decode()"
        }
        return "[\(items.joined(separator: ", "))]"
    }

    @Test("a restart replaces the process; a unit that died comes back by itself, and both are announced")
    func restart() async throws {
        try await withTemplate { test in
            let unit = test.python("a")
            var changes = await test.supervisor.changes().makeAsyncIterator()
            try await test.supervisor.start(unit)
            try await test.supervisor.awaitReady(unit.name)
            let first = try #require(await test.supervisor.status(unit.name)?.pid)
            try await test.supervisor.restart(unit.name)
            try await test.supervisor.awaitReady(unit.name)
            let second = try #require(await test.supervisor.status(unit.name)?.pid)
            #expect(first != second)
            kill(second, SIGKILL)
            var third: UnitStatus?
            while third == nil, let name = await changes.next() {
                let status = await test.supervisor.status(name)
                if status?.state == .ready, status?.pid != second { third = status }
            }
            #expect(third?.restarts == 1 && third?.specification == unit.digest)
            let unknown = await #expect(throws: Fault.self) {
                try await test.supervisor.restart(test.unit("nobody"))
            }
            #expect(unknown?.code == .notFound)
        }
    }

    @Test("a unit that keeps dying, or is failed for good, is reported with the end of its journal")
    func failing() async throws {
        for restart in ["on-failure", "no"] {
            try await withTemplate(restart: restart) { test in
                let unit = test.python("a", "print('no such table', flush=True); sys.exit(3)")
                try await test.supervisor.start(unit)
                let fault = await #expect(throws: Fault.self) {
                    try await test.supervisor.awaitReady(unit.name)
                }
                #expect(fault?.detail.contains("exit status 3") == true, "\(String(describing: fault))")
                let status = await test.until("a") { $0?.state == .failed }
                #expect(status?.lastExit == "exit status 3")
            }
        }
    }

    @Test("limits and credentials reach the process")
    func limits() async throws {
        try await withTemplate { test in
            let secret = "\(test.directory)/100%"
            try #require(secret.withCString { open($0, O_CREAT | O_WRONLY, 0o600) } >= 0)
            var unit = test.python(
                "a", "out(str(os.listdir(os.environ['CREDENTIALS_DIRECTORY']))); serve()")
            unit.credentials = ["key": secret]
            unit.limits = .init(memoryBytes: 64 << 20, cpuPercent: 50, tasks: 7, ioWeight: 50)
            try await test.supervisor.start(unit)
            try await test.supervisor.awaitReady(unit.name)
            #expect(test.lines("a").first == "['key']")
            let values = try await test.bus.call(.properties(of: "\(unit.name).service"))[0].dictionary
            #expect(values["MemoryMax"] == .unsigned(64 << 20) && values["TasksMax"] == .unsigned(7))
            #expect(values["CPUQuotaPerSecUSec"] == .unsigned(500_000))
            #expect(values["CPUQuotaPeriodUSec"] == .unsigned(500_000))
            #expect(values["IOWeight"] == .unsigned(50))
        }
    }
}
