import FoundationEssentials
import Kernel
import Testing

@testable import Supervision

@Suite("Steps of the pauses between restarts")
struct RestartStepsTests {
    @Test("the pause doubles with each death, to half a minute, and is the template's again once it stands")
    func steps() {
        var steps = RestartSteps(restarts: 0)
        var pauses: [Int?] = []
        for restarts in 0...8 {
            steps.see(restarts: restarts, running: .seconds(1))
            pauses.append(steps.pause)
        }
        #expect(pauses == [nil, nil, 2, 4, 8, 16, 30, 30, 30])
        steps.see(restarts: 8, running: .seconds(29))
        #expect(steps.pause == 30)
        steps.see(restarts: 8, running: RestartSteps.standing)
        #expect(steps.pause == nil)
        steps.see(restarts: 9, running: nil)
        #expect(steps.pause == nil)
    }

    @Test("a counter that systemd has set back is counted on from nothing")
    func setBack() {
        var steps = RestartSteps(restarts: 0)
        steps.see(restarts: 5, running: nil)
        steps.see(restarts: 0, running: nil)
        #expect(steps.deaths == 5)
        steps.see(restarts: 2, running: nil)
        #expect(steps.deaths == 7)
    }
}

extension RealSystemd {
    @Suite("Units that keep dying", .timeLimit(.minutes(2)))
    struct PauseTests {}
}

extension RealSystemd.PauseTests {
    @Test("a unit that dies again and again rests longer each time; stopped, it leaves nothing of that")
    func grows() async throws {
        try await withTemplate { test in
            let tending = Task { try await test.supervisor.tend() }
            defer { tending.cancel() }
            let unit = test.python("a", "out('started'); sys.exit(1)")
            try await test.supervisor.start(unit)
            let file = test.supervisor.pauses.path(unit.name)
            while (try? String(contentsOfFile: file, encoding: .utf8))?.contains("RestartSec=4s") != true {
                await pollingPause()
            }
            // The socket goes on listening meanwhile, and the unit is as it is meant to be.
            let pair = try await test.supervisor.look(unit.name)
            #expect(pair.socket.isActive && pair.loaded == unit.digest)
            try await test.supervisor.stop(unit.name)
            #expect(!FileManager.default.fileExists(atPath: file))
        }
    }
}
