import Kernel
import Postgres
import Synchronization
import Testing

@testable import Workflow

@Suite("An executor")
struct ExecutorTests {
    @Test("a step that does not return is cancelled and tried again")
    func hangs() async throws {
        try await ControlDatabase.with { pool in
            var stage = Stage(pool)
            let tries = Atomic<Int>(0)
            let clock = stage.clock
            stage.attemptLimit = PauseClock.attempt
            stage.steps[1] = Step("b") { _ in
                if tries.add(1, ordering: .relaxed).newValue <= 2 {
                    clock.expireAttempt()
                    try await Task.sleep(for: .seconds(3600))
                }
                return ["chain": "ab"]
            } undo: { _ in
            }
            let operation = try await stage.run(stage.begin())
            #expect(operation.state == .done)
            #expect(tries.load(ordering: .relaxed) == 3)
        }
    }

    @Test("a step that throws a cancellation of its own is a step that fails, and others go on")
    func ownCancellation() async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            stage.world.fail("+b", with: [CancellationError()])
            let ids = [try await stage.begin(), try await stage.begin(on: "globex")]
            var states: [Operation.State] = []
            for id in ids { states.append(try await stage.run(id).state) }
            #expect(states.contains(.failed) && states.contains(.done), "\(states)")
        }
    }

    @Test("a clock that jumps by years in mid-saga, back or forth, changes nothing", arguments: [-10, 10])
    func clockJumps(years: Int) async throws {
        try await ControlDatabase.with { pool in
            var stage = Stage(pool)
            let clock = JumpingClock()
            stage.wallClock = clock
            let made = stage.steps[1]
            stage.steps[1] = Step("b") { context in
                clock.jump(by: .seconds(years * 365 * 24 * 3600))
                return try await made.perform(context)
            } undo: {
                try await made.undo?($0)
            }
            Failpoint.arm("\(stage.kind).b.afterEffect", .halt)
            let id = try await stage.begin()
            try await stage.run(id)
            Failpoint.disarm("\(stage.kind).b.afterEffect")
            #expect(try await stage.run(id).state == .done)
            #expect(stage.world.things == ["a", "b", "c"])
            stage.world.fail("+c", with: [CancellationError()])
            let ended = try await stage.run(stage.begin())
            #expect(ended.state == .failed)
            #expect(stage.world.things.isEmpty)
        }
    }

    @Test("a step of which each effect is repeated, or which dies at each, ends the same")
    func everyEffect() async throws {
        try await ControlDatabase.with { pool in
            let kind = Stage(pool)
            let point = "\(kind.kind).b"
            Failpoint.count("\(point).effect")
            try await kind.run(kind.begin())
            #expect(Failpoint.disarm("\(point).effect") == 1)
            for (name, action) in [("effect", Failpoint.Action.halt), ("repeat", .again)] {
                Failpoint.arm("\(point).\(name):\(name)", action)
                let id = try await kind.begin(on: name)
                let first = try await kind.run(id)
                #expect(first.state == (action == .halt ? .running : .done))
                #expect(try await kind.run(id).state == .done)
                #expect(Failpoint.disarm("\(point).\(name):\(name)") >= 1)
            }
            #expect(kind.world.log.filter { $0 == "+b" }.count == 4, "once, once, and twice")
        }
    }
}

/// A clock that shows another time after each jump.
final class JumpingClock: WallClock {
    private let offset = Mutex(Duration.zero)

    func now() -> Timestamp { SystemWallClock().now() + offset.withLock { $0 } }

    func jump(by duration: Duration) { offset.withLock { $0 += duration } }
}
