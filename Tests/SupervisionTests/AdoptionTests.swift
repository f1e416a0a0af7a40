import Glibc
import Kernel
import Testing

@testable import Supervision

@Suite("Adoption", .timeLimit(.minutes(2)))
struct AdoptionTests {
    let directory: TestDirectory

    init() throws { directory = try TestDirectory() }

    /// The identity of a child whose supervisor has been killed.
    private func abandon(_ unit: UnitSpecification) async throws -> ProcessIdentity {
        try await runningUntilKilled(directory.supervisor()) { supervisor in
            try await supervisor.start(unit)
            try await supervisor.awaitReady(unit.name)
        }
        let pid = try #require(directory.lines(of: "out").last.flatMap { Int32($0) })
        return try #require(ProcessIdentity(of: pid), "the child outlives its supervisor")
    }

    @Test("a child that outlives its supervisor is adopted, ready as it was, and no twin is started")
    func adopted() async throws {
        let orphan = try await abandon(directory.steady("orphan"))
        try await running(directory.supervisor()) { supervisor in
            try await supervisor.start(directory.steady("orphan"))
            try await supervisor.awaitReady("orphan")
            #expect(await supervisor.status("orphan")?.pid == orphan.pid)
            #expect(directory.lines(of: "out").count == 1)
        }
        #expect(!orphan.isAlive, "an adopted child is stopped like any other")
    }

    @Test("an adopted child that dies is started again")
    func adoptedDies() async throws {
        let orphan = try await abandon(directory.steady("orphan"))
        try await running(directory.supervisor()) { supervisor in
            try await supervisor.start(directory.steady("orphan"))
            kill(orphan.pid, SIGKILL)
            await supervisor.untilReady("orphan", restarts: 1)
            #expect(directory.lines(of: "out").count == 2)
        }
    }

    @Test("an adopted child can still say that it is ready")
    func readyLater() async throws {
        let unit = directory.python(
            "sleepy",
            """
            out(str(os.getpid()))
            while not os.path.exists('go'): time.sleep(0.005)
            notify('READY=1'); time.sleep(600)
            """)
        try await runningUntilKilled(directory.supervisor()) { supervisor in
            try await supervisor.start(unit)
            _ = await directory.untilLines(1, in: "out")
        }
        try await running(directory.supervisor()) { supervisor in
            try await supervisor.start(unit)
            #expect(await supervisor.status("sleepy")?.state == .starting)
            #expect(creat("\(directory.path)/go", 0o600) >= 0)
            try await supervisor.awaitReady("sleepy")
            #expect(directory.lines(of: "out").count == 1)
        }
    }

    @Test("a child that runs by another specification is stopped and replaced")
    func replaced() async throws {
        let orphan = try await abandon(directory.steady("orphan"))
        try await running(directory.supervisor()) { supervisor in
            var changed = directory.steady("orphan")
            changed.version = "2"
            try await supervisor.start(changed)
            try await supervisor.awaitReady("orphan")
            #expect(!orphan.isAlive)
            #expect(directory.lines(of: "out").count == 2)
        }
    }

    @Test("a child that its supervisor had no time to record gets no twin")
    func unrecorded() async throws {
        let orphan = try await abandon(directory.steady("orphan"))
        UnitFiles(directory: "\(directory.path)/run", unit: "orphan").remove()
        try await running(directory.supervisor()) { supervisor in
            try await supervisor.start(directory.steady("orphan"))
            try await supervisor.awaitReady("orphan")
            #expect(!orphan.isAlive)
            #expect(directory.lines(of: "out").count == 2)
        }
    }

    @Test("what an unrecorded child has left, when it was killed itself, is ended before a new one starts")
    func unrecordedOffspring() async throws {
        let unit = directory.python(
            "parent",
            """
            child = os.fork()
            if child == 0: time.sleep(600)
            out(str(child))
            notify('READY=1'); time.sleep(600)
            """)
        try await runningUntilKilled(directory.supervisor()) { supervisor in
            try await supervisor.start(unit)
            try await supervisor.awaitReady("parent")
        }
        let pid = try #require(directory.lines(of: "out").last.flatMap { Int32($0) })
        let offspring = try #require(ProcessIdentity(of: pid))
        let files = UnitFiles(directory: "\(directory.path)/run", unit: "parent")
        let parent = try #require(files.load()).process
        files.remove()
        kill(parent.pid, SIGKILL)
        while parent.isAlive { await pollingPause() }
        #expect(offspring.isAlive)
        try await running(directory.supervisor()) { supervisor in
            try await supervisor.start(unit)
            #expect(!offspring.isAlive)
        }
    }

    @Test("a record of a process that is no more, or whose pid is another's, starts a new one")
    func stale() async throws {
        let unit = directory.steady("orphan")
        let orphan = try await abandon(unit)
        kill(orphan.pid, SIGKILL)
        while orphan.isAlive { await pollingPause() }
        let files = UnitFiles(directory: "\(directory.path)/run", unit: "orphan")
        var record = try #require(files.load())
        record.process = try #require(ProcessIdentity(of: getpid())?.startedElsewhere)
        try files.save(record)
        try await running(directory.supervisor()) { supervisor in
            try await supervisor.start(unit)
            try await supervisor.awaitReady("orphan")
            #expect(directory.lines(of: "out").count == 2)
        }
    }

    @Test("what nobody starts again can be stopped by name, and is stopped at the end")
    func leftovers() async throws {
        let first = try await abandon(directory.steady("first"))
        let second = try await abandon(directory.steady("second"))
        let supervisor = try directory.supervisor()
        #expect(await supervisor.leftovers() == ["first", "second"])
        try await supervisor.stop("first")
        #expect(!first.isAlive && second.isAlive)
        await supervisor.stopAll()
        #expect(!second.isAlive)
        #expect(await supervisor.leftovers().isEmpty)
    }

    @Test("specifications differ in whatever changes what runs")
    func digests() {
        let unit = directory.steady("unit")
        var others = [UnitSpecification](repeating: unit, count: 5)
        others[0].arguments.append("x")
        others[1].environment = ["A": "b"]
        others[2].version = "2"
        others[3].executable = "/bin/sh"
        others[4].workingDirectory = "/"
        #expect(Set(others.map(\.digest)).count == 5)
        #expect(!others.map(\.digest).contains(unit.digest))
        #expect(directory.steady("unit").digest == unit.digest)
    }
}

extension ProcessIdentity {
    /// The same pid, as a process had it that started at another moment.
    fileprivate var startedElsewhere: ProcessIdentity {
        ProcessIdentity(pid: pid, startTime: startTime + 1, bootId: bootId)
    }
}
