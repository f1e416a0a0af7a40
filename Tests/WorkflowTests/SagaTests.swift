import Kernel
import Postgres
import Testing

@testable import Workflow

private struct Broken: Error {}

/// Where an executor can die around a step.
private let places = ["beforeEffect", "afterEffect", "afterJournal"]

@Suite("A saga")
struct SagaTests {
    @Test("its steps are performed once, in order, and each sees what the one before it left")
    func performs() async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            let operation = try await stage.run(stage.begin())
            #expect(operation.state == .done)
            #expect(stage.world.log == ["+a", "+b", "+c"])
            #expect((operation.stepsDone, operation.stepsTotal) == (3, 3))
            let steps = try await JournalStore(pool: pool, clock: SystemWallClock(), holder: "test").steps(
                of: operation.id)
            #expect(steps.last?.output == ["chain": "abc"])
        }
    }

    @Test("an executor that dies around any step is followed by one that finishes", arguments: places)
    func resumes(place: String) async throws {
        try await ControlDatabase.with { pool in
            for name in ["a", "b", "c"] {
                let stage = Stage(pool)
                let point = "\(stage.kind).\(name).\(place)"
                Failpoint.arm(point, .halt)
                let id = try await stage.begin(on: name)
                let halted = try await stage.run(id)
                #expect(halted.state == .running)
                #expect(try await stage.run(id).state == .done)
                #expect(stage.world.things == ["a", "b", "c"])
                // Only a step whose effect was not journaled is performed a second time.
                let repeated = place == "afterEffect" ? 4 : 3
                #expect(stage.world.log.count == repeated, "\(point): \(stage.world.log)")
                #expect(Failpoint.disarm(point) >= 1)
            }
        }
    }

    @Test("a step that fails is taken back, and those before it in reverse", arguments: ["a", "b", "c"])
    func unwinds(failing: String) async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            stage.world.fail("+\(failing)", with: [Broken()])
            let operation = try await stage.run(stage.begin())
            #expect(operation.state == .failed)
            #expect(operation.error?.contains("Broken") == true)
            #expect(stage.world.things.isEmpty)
            let done = Array(["a", "b", "c"].prefix { $0 != failing }) + [failing]
            let expected = done.map { "+\($0)" } + done.reversed().map { "-\($0)" }
            #expect(stage.world.log == expected)
        }
    }

    @Test("a failure after the effect is taken back as well")
    func unwindsAfterEffect() async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            Failpoint.arm("\(stage.kind).c.afterEffect", .fail)
            let operation = try await stage.run(stage.begin())
            #expect(operation.state == .failed)
            #expect(stage.world.things.isEmpty)
            #expect(Failpoint.disarm("\(stage.kind).c.afterEffect") == 1)
        }
    }

    @Test("an executor that dies while it takes back is followed by one that takes back the rest")
    func resumesUnwinding() async throws {
        try await ControlDatabase.with { pool in
            for place in ["undo.beforeEffect", "undo.afterEffect"] {
                for name in ["a", "b", "c"] {
                    let stage = Stage(pool)
                    stage.world.fail("+c", with: [Broken()])
                    let point = "\(stage.kind).\(name).\(place)"
                    Failpoint.arm(point, .halt)
                    let id = try await stage.begin(on: name)
                    #expect(try await stage.run(id).state == .unwinding)
                    #expect(try await stage.run(id).state == .failed)
                    #expect(stage.world.things.isEmpty)
                    #expect(Failpoint.disarm(point) >= 1)
                }
            }
        }
    }

    @Test("an undo that keeps failing is tried with growing pauses, then the operation is stuck")
    func sticks() async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            stage.world.fail("+c", with: [Broken()])
            stage.world.fail("-b", with: Array(repeating: Broken(), count: 3))
            let id = try await stage.begin()
            let operation = try await stage.run(id)
            #expect(operation.state == .stuck)
            #expect(operation.runbook == "runbooks/test.md")
            #expect(operation.error?.contains("step 'b' could not be undone") == true)
            #expect(stage.world.things == ["a", "b"], "what lies before the stuck step is not touched")
            let tries = stage.world.log.filter { $0 == "-b" }.count
            #expect(tries == 3)
            #expect(stage.clock.pauses.count == 2)
            #expect(stage.clock.pauses[1] > stage.clock.pauses[0])
            await #expect(throws: Fault.self) { try await stage.begin() }
        }
    }

    @Test("a step that meets something away is tried again, and does not unwind")
    func retries() async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            let away = Fault(.unavailable, doing: "reach it", "it is away")
            stage.world.fail("+b", with: [away, away])
            let operation = try await stage.run(stage.begin())
            #expect(operation.state == .done)
            #expect(stage.world.log == ["+a", "+b", "+b", "+b", "+c"])
            #expect(stage.clock.pauses.count == 2)
        }
    }

    @Test("a subject has one unfinished operation at a time")
    func oneAtATime() async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            let first = try await stage.begin()
            let refusal = await #expect(throws: Fault.self) { try await stage.begin() }
            #expect(refusal?.code == .conflict)
            _ = try await stage.begin(on: "globex")
            try await stage.run(first)
            _ = try await stage.begin()
        }
    }

    @Test("an operation goes on by the plan it was made with, whatever the release plans now")
    func followsItsPlan() async throws {
        try await ControlDatabase.with { pool in
            var stage = Stage(pool)
            let id = try await stage.begin()
            stage.earlier = stage.steps
            stage.steps = [stage.world.step("z", version: 2)]
            #expect(try await stage.run(id).state == .done)
            #expect(stage.world.log == ["+a", "+b", "+c"])
        }
    }

    @Test("an operation with a step that this release does not have is stuck, and nothing is done")
    func unknownStep() async throws {
        try await ControlDatabase.with { pool in
            var stage = Stage(pool)
            let id = try await stage.begin()
            stage.steps = [stage.world.step("a", version: 2)]
            let operation = try await stage.run(id)
            #expect(operation.state == .stuck)
            #expect(operation.error?.contains("no step 'a' of version 1") == true)
            #expect(stage.world.log.isEmpty)
        }
    }

    @Test("operations of different subjects do not wait for each other")
    func independence() async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            var ids: [UUIDv7] = []
            for subject in 0..<20 { ids.append(try await stage.begin(on: "brand\(subject)")) }
            for id in ids { #expect(try await stage.run(id).state == .done) }
            // Two of one millisecond are in whichever order.
            let texts = ids.map(\.description).sorted()
            let last = try #require(ids.first { $0.description == texts[19] })
            let listed = try await stage.store.list(subject: nil, before: last, limit: 5)
            #expect(listed.map(\.id.description) == texts[14..<19].reversed())
        }
    }
}

@Suite("A failpoint")
struct FailpointTests {
    @Test("it does nothing unless it is armed, and then only at the hit it waits for")
    func hits() throws {
        let name = "failpoint.\(UInt64.random(in: 0...UInt64.max))"
        try Failpoint.hit(name)
        Failpoint.arm(name, .fail, nth: 2)
        try Failpoint.hit(name)
        #expect(throws: Failpoint.Injected.self) { try Failpoint.hit(name) }
        try Failpoint.hit(name)
        #expect(Failpoint.disarm(name) == 3)
        try Failpoint.hit(name)
    }

    @Test("pauses double and stop growing")
    func pauses() {
        let policy = RetryPolicy(attempts: 9, first: .milliseconds(100), longest: .milliseconds(350))
        let milliseconds = (1...4).map { policy.pause(after: $0) / .milliseconds(1) }
        #expect(milliseconds == [100, 200, 350, 350])
    }
}
