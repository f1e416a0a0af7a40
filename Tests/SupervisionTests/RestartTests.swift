import Glibc
import Kernel
import Testing

@testable import Supervision

@Suite("Restarts", .timeLimit(.minutes(2)))
struct RestartTests {
    let directory: TestDirectory
    let clock = ManualClock()

    init() throws { directory = try TestDirectory() }

    private func killNewest() throws {
        let pid = try #require(directory.lines(of: "out").last.flatMap { Int32($0) })
        kill(pid, SIGKILL)
    }

    @Test("pauses double from 100 ms to 10 s, and begin again after a reset")
    func pauses() {
        var pause = RestartPause()
        let made = (0..<9).map { _ in pause.next() }
        #expect(
            made.prefix(4) == [
                .milliseconds(100), .milliseconds(200), .milliseconds(400), .milliseconds(800),
            ])
        #expect(made.last == .seconds(10))
        pause.reset()
        #expect(pause.next() == .milliseconds(100))
    }

    @Test("a killed child is started again, after a longer pause each time it dies soon")
    func killed() async throws {
        try await running(directory.supervisor(clock: clock)) { supervisor in
            try await supervisor.start(directory.steady("mortal"))
            await supervisor.untilReady("mortal", restarts: 0)
            for (count, pause) in [(1, 100), (2, 200), (3, 400)] {
                try killNewest()
                await clock.untilSomeoneSleeps(for: .milliseconds(pause))
                #expect(await supervisor.status("mortal")?.lastExit == "signal 9")
                #expect(await supervisor.status("mortal")?.state == .failed)
                clock.advance(by: .milliseconds(pause))
                await supervisor.untilReady("mortal", restarts: count)
            }
        }
    }

    @Test("a child that has stood long enough begins again with the shortest pause")
    func stood() async throws {
        try await running(directory.supervisor(clock: clock)) { supervisor in
            try await supervisor.start(directory.steady("mortal"))
            await supervisor.untilReady("mortal", restarts: 0)
            try killNewest()
            await clock.untilSomeoneSleeps(for: RestartPause.shortest)
            clock.advance(by: RestartPause.shortest)
            await supervisor.untilReady("mortal", restarts: 1)
            clock.advance(by: RestartPause.standing)
            try killNewest()
            await clock.untilSomeoneSleeps(for: RestartPause.shortest)
            clock.advance(by: RestartPause.shortest)
            await supervisor.untilReady("mortal", restarts: 2)
        }
    }

    @Test("a child that is not ready in time is killed and started again")
    func slow() async throws {
        var unit = directory.python("slow", "out(str(os.getpid())); time.sleep(60)")
        unit.startTimeout = .seconds(7)
        try await running(directory.supervisor(clock: clock)) { supervisor in
            try await supervisor.start(unit)
            await clock.untilSomeoneSleeps(for: .seconds(7))
            clock.advance(by: .seconds(7))
            await clock.untilSomeoneSleeps(for: RestartPause.shortest)
            #expect(await supervisor.status("slow")?.lastExit == "signal 9")
        }
    }

    @Test("a child that does not leave when asked is killed when its time is up")
    func stubborn() async throws {
        var unit = directory.python(
            "stubborn",
            """
            signal.signal(signal.SIGTERM, lambda *_: out('asked')); notify('READY=1')
            while True: time.sleep(60)
            """
        )
        unit.stopTimeout = .seconds(9)
        try await running(directory.supervisor(clock: clock)) { supervisor in
            try await supervisor.start(unit)
            try await supervisor.awaitReady("stubborn")
            let pid = try #require(await supervisor.status("stubborn")?.pid)
            async let stopped: Void = supervisor.stop("stubborn")
            await clock.untilSomeoneSleeps(for: .seconds(9))
            #expect(await directory.untilLines(1, in: "out") == ["asked"])
            #expect(ProcessIdentity(of: pid) != nil)
            clock.advance(by: .seconds(9))
            try await stopped
            #expect(ProcessIdentity(of: pid) == nil)
        }
    }

    @Test("a unit that is stopped during its pause stays stopped")
    func stoppedInPause() async throws {
        try await running(directory.supervisor(clock: clock)) { supervisor in
            try await supervisor.start(directory.steady("mortal"))
            await supervisor.untilReady("mortal", restarts: 0)
            try killNewest()
            await clock.untilSomeoneSleeps(for: RestartPause.shortest)
            try await supervisor.stop("mortal")
            clock.advance(by: .seconds(60))
            #expect(await supervisor.status("mortal") == nil)
        }
        #expect(directory.lines(of: "out").count == 1)
    }

    @Test("what a killed child leaves in its session is killed before it is started again")
    func survivors() async throws {
        let unit = directory.python(
            "parent",
            "worker = subprocess.Popen(['sleep', '600'])\nout(str(worker.pid)); out(str(os.getpid()))\n"
                + "notify('READY=1'); time.sleep(600)")
        try await running(directory.supervisor(clock: clock)) { supervisor in
            try await supervisor.start(unit)
            try await supervisor.awaitReady("parent")
            let worker = try #require(ProcessIdentity(of: Int32(directory.lines(of: "out")[0])!))
            try killNewest()
            await clock.untilSomeoneSleeps(for: RestartPause.shortest)
            while worker.isAlive { await pollingPause() }
        }
    }
}
