import Glibc
import Kernel
import Logging
import ServiceLifecycle
import Testing

@testable import Supervision

@Suite("A supervisor of child processes", .timeLimit(.minutes(2)))
struct SupervisorTests {
    let directory: TestDirectory

    init() throws { directory = try TestDirectory() }

    @Test("a child is ready when it says so, runs in a session of its own, and its words are its status")
    func ready() async throws {
        let unit = directory.python(
            "speaker",
            """
            print("to the log", flush=True)
            notify("STATUS=warm")
            notify("READY=1")
            out(str(os.getsid(0) == os.getpid()))
            time.sleep(60)
            """)
        try await running(directory.supervisor()) { supervisor in
            try await supervisor.start(unit)
            try await supervisor.awaitReady("speaker")
            let status = await supervisor.status("speaker")
            #expect(status?.state == .ready && status?.message == "warm" && status?.restarts == 0)
            #expect(await directory.untilLines(1, in: "out") == ["True"])
            #expect(directory.lines(of: "speaker.log") == ["to the log"])
            try await supervisor.stop("speaker")
            #expect(await supervisor.status("speaker") == nil)
        }
    }

    @Test("a probe is asked until it says yes")
    func probe() async throws {
        var unit = directory.python("probed", "time.sleep(0.05); out('up'); time.sleep(60)")
        unit.readiness = .probe { [directory] in !directory.lines(of: "out").isEmpty }
        try await running(directory.supervisor()) { supervisor in
            try await supervisor.start(unit)
            try await supervisor.awaitReady("probed")
            #expect(directory.lines(of: "out") == ["up"])
        }
    }

    @Test("starting the same unit twice at once starts one process")
    func once() async throws {
        try await running(directory.supervisor()) { supervisor in
            let unit = directory.steady("single")
            async let first: Void = supervisor.start(unit)
            async let second: Void = supervisor.start(unit)
            _ = try await (first, second)
            try await supervisor.awaitReady("single")
            #expect(directory.lines(of: "out").count == 1)
        }
    }

    @Test("an executable that is not there is a fault that names it, and leaves no unit behind")
    func missing() async throws {
        try await running(directory.supervisor()) { supervisor in
            var unit = directory.steady("missing")
            unit.executable = "/nowhere/at-all"
            let fault = await #expect(throws: Fault.self) { try await supervisor.start(unit) }
            #expect(fault?.detail.contains("/nowhere/at-all") == true)
            #expect(await supervisor.status("missing") == nil)
        }
    }

    @Test("what fails before the launch is why the unit cannot start")
    func beforeLaunch() async throws {
        try await running(directory.supervisor()) { supervisor in
            var unit = directory.steady("barred")
            unit.beforeLaunch = { throw Fault(.conflict, doing: "listen", "the port is taken") }
            let fault = await #expect(throws: Fault.self) { try await supervisor.start(unit) }
            #expect(fault?.code == .conflict)
        }
    }

    @Test("a child that keeps ending before it is ready is reported with the end of its log")
    func vain() async throws {
        try await running(directory.supervisor()) { supervisor in
            try await supervisor.start(directory.python("broken", "print('no such table'); sys.exit(3)"))
            let fault = await #expect(throws: Fault.self) { try await supervisor.awaitReady("broken") }
            #expect(fault?.detail.contains("exit status 3") == true)
            #expect(fault?.detail.contains("no such table") == true)
        }
    }

    @Test("names that are no file names are refused", arguments: ["", "a/b", "..", ".x"])
    func names(name: String) async throws {
        let supervisor = try directory.supervisor()
        await #expect(throws: Fault.self) { try await supervisor.start(directory.steady(name)) }
    }

    @Test("a restart replaces the process at once and is no failure")
    func restart() async throws {
        try await running(directory.supervisor()) { supervisor in
            try await supervisor.start(directory.steady("renewed"))
            try await supervisor.awaitReady("renewed")
            try await supervisor.restart("renewed")
            try await supervisor.awaitReady("renewed")
            let pids = directory.lines(of: "out")
            #expect(pids.count == 2 && pids[0] != pids[1])
        }
    }

    @Test("units are stopped in the reverse order of their start")
    func order() async throws {
        try await running(directory.supervisor()) { supervisor in
            for name in ["first", "second", "third"] {
                try await supervisor.start(
                    directory.python(
                        name,
                        """
                        def leave(*_):
                            out('\(name)'); sys.exit(0)
                        signal.signal(signal.SIGTERM, leave); notify('READY=1')
                        while True: time.sleep(60)
                        """))
                try await supervisor.awaitReady(name)
            }
        }
        #expect(directory.lines(of: "out") == ["third", "second", "first"])
    }

    @Test("a graceful shutdown stops every unit and ends the service")
    func graceful() async throws {
        let supervisor = try directory.supervisor()
        let group = ServiceGroup(services: [supervisor], logger: Logger(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await supervisor.start(directory.steady("served"))
            try await supervisor.awaitReady("served")
            let pid = try #require(await supervisor.status("served")?.pid)
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            #expect(ProcessIdentity(of: pid) == nil)
        }
    }

    @Test("nothing can be started once everything is being stopped")
    func closed() async throws {
        let supervisor = try directory.supervisor()
        await supervisor.stopAll()
        await #expect(throws: Fault.self) { try await supervisor.start(directory.steady("late")) }
        #expect(directory.lines(of: "out").isEmpty)
    }
}
