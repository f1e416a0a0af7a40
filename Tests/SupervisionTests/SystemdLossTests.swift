import Glibc
import Kernel
import Logging
import Reactor
import Testing

@testable import Supervision

extension RealSystemd {
    @Suite("The line to systemd", .timeLimit(.minutes(2)))
    struct LossTests {}
}

extension RealSystemd.LossTests {
    @Test("what waits when the line is lost fails as unavailable, and what comes later works")
    func loss() async throws {
        try await withTemplate { test in
            var slow = test.python("a", "time.sleep(1); serve()")
            slow.activation = .onRequest
            try await test.supervisor.start(slow)
            let name = slow.name
            let job = Task { try await test.bus.carryOut(.start, "\(name).service") }
            while try await !test.supervisor.look(name).service.hasJob { await pollingPause() }
            await test.bus.drop()
            let fault = await #expect(throws: Fault.self) { try await job.value }
            #expect(fault?.code == .unavailable)
            try await test.supervisor.awaitReady(name)
        }
    }

    @Test("who follows changes hears of those that follow a loss, and of the loss itself")
    func newsAfterLoss() async throws {
        try await withTemplate { test in
            let unit = test.python("a")
            try await test.supervisor.start(unit)
            try await test.supervisor.awaitReady(unit.name)
            var changes = await test.supervisor.changes().makeAsyncIterator()
            await test.bus.drop()
            #expect(await changes.next() == unit.name)
            kill(try #require(await test.supervisor.status(unit.name)?.pid), SIGKILL)
            #expect(await changes.next() == unit.name)
        }
    }

    @Test("systemd that executes itself anew is found again")
    func reexecuted() async throws {
        try await withTemplate { test in
            let unit = test.python("a")
            try await test.supervisor.start(unit)
            try await test.supervisor.awaitReady(unit.name)
            let before = await test.supervisor.status(unit.name)
            _ = try? await test.bus.call(BusCall("Reexecute"))
            var after: UnitStatus?
            while after == nil {
                after = await test.supervisor.status(unit.name)
                await pollingPause()
            }
            #expect(after?.pid == before?.pid && after?.specification == unit.digest)
        }
    }

    @Test("a systemd that is not there is unavailable, and no status is known")
    func absent() async throws {
        let logger = Logger(label: "test")
        let reactor = Reactor()
        let bus = SystemdBus(on: reactor, socket: "/run/nobody", logger: logger)
        let supervisor = SystemdSupervisor(
            template: "t", bus: bus, journal: Journal(on: reactor), logger: logger)
        let fault = await #expect(throws: Fault.self) { try await supervisor.restart("t@a") }
        #expect(fault?.code == .notFound)
        await #expect(throws: Fault.self) { try await bus.carryOut(.start, "a.service") }
        #expect(await supervisor.status("t@a") == nil)
        #expect(await supervisor.statuses().isEmpty)
        await bus.close()
    }

    @Test("a call that is not answered in time fails as unavailable")
    func silence() async throws {
        let path = "/run/constintel-silent-\(getpid())"
        let address = try #require(UnixSocketAddress(path))
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer {
            close(socket)
            unlink(path)
        }
        #expect(address.withSockaddr { bind(socket, $0, $1) } == 0 && listen(socket, 1) == 0)
        let bus = SystemdBus(on: Reactor(), socket: path, logger: Logger(label: "test"))
        let start = ContinuousClock.now
        await #expect(throws: BusError.self) { try await bus.call(.ping, limit: .milliseconds(200)) }
        #expect((.milliseconds(150) ... .seconds(10)).contains(ContinuousClock.now - start))
        await bus.close()
    }

    @Test("a job that fails, and a unit that there is not, are faults")
    func jobs() async throws {
        try await withTemplate { test in
            let unit = test.python("a", "sys.exit(3)")
            try await test.supervisor.start(unit)
            let failed = await #expect(throws: Fault.self) {
                try await test.bus.carryOut(.restart, "\(unit.name).service")
            }
            #expect(failed?.code == .unavailable)
            let unknown = await #expect(throws: Fault.self) {
                try await test.bus.carryOut(.start, "constintel-no-such.service")
            }
            #expect(unknown?.code == .notFound)
            let late = await #expect(throws: Fault.self) {
                try await test.supervisor.start(test.python("b", "time.sleep(5); serve()"))
                try await test.bus.carryOut(.start, "\(test.unit("b")).service", within: .milliseconds(100))
            }
            #expect(late?.detail.contains("not over") == true)
        }
    }

    @Test("over the system's bus the same is asked and heard", .enabled(if: hasSystemBus))
    func systemBus() async throws {
        try await withTemplate { test in
            let logger = Logger(label: "test")
            let bus = SystemdBus(on: Reactor(), socket: nil, logger: logger)
            let supervisor = SystemdSupervisor(
                template: test.name, bus: bus, journal: test.journal, logger: logger)
            var changes = await supervisor.changes().makeAsyncIterator()
            let unit = test.python("a")
            try await supervisor.start(unit)
            try await supervisor.awaitReady(unit.name)
            let pid = try #require(await supervisor.status(unit.name)?.pid)
            try await bus.kill("\(unit.name).service", SIGKILL)
            while await supervisor.status(unit.name).map({ $0.pid == pid || $0.state != .ready }) ?? true {
                #expect(await changes.next() == unit.name)
            }
            let service = try await bus.properties(of: "\(unit.name).service")
            #expect(service.restarts == 1 && service.tasks == 1 && service.memoryBytes ?? 0 > 0)
            #expect(
                service.lastExit == nil
                    && service.dropInPaths == [DropInFiles(root: TestTemplate.root).path(unit.name)])
            await bus.close()
        }
    }
}
