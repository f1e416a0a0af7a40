import Kernel
import Logging
import Postgres
import Synchronization
import Testing

@testable import Workflow

private struct Broken: Error {}

@Suite("An operation")
struct OperationTests {
    @Test("a failure after a step that cannot be taken back gets it stuck, and trying again goes forward")
    func goesForward() async throws {
        try await ControlDatabase.with { pool in
            var stage = Stage(pool)
            stage.steps[1] = stage.world.step("b", after: "a", isReversible: false)
            stage.world.fail("+c", with: [Broken()])
            let id = try await stage.begin()
            let stuck = try await stage.run(id)
            #expect(stuck.state == .stuck)
            #expect(!stuck.isUnwinding)
            #expect(stuck.error?.contains("step 'b' cannot be taken back") == true)
            #expect(stage.world.log == ["+a", "+b", "+c"], "nothing is taken back")
            let refusal = await #expect(throws: Fault.self) { try await stage.store.unwind(id, by: "local") }
            #expect(refusal?.code == .conflict)
            #expect(refusal?.detail.contains("'b' cannot be taken back") == true)
            #expect(try await stage.store.retry(id, by: "user 7").state == .running)
            #expect(try await stage.run(id).state == .done)
            #expect(stage.world.things == ["a", "b", "c"])
        }
    }

    @Test("a failure of the step that cannot be taken back gets it stuck; before it, it is taken back")
    func pointOfNoReturn() async throws {
        try await ControlDatabase.with { pool in
            for (failing, state) in [("a", Operation.State.failed), ("b", .stuck)] {
                var stage = Stage(pool)
                stage.steps[1] = stage.world.step("b", after: "a", isReversible: false)
                stage.world.fail("+\(failing)", with: [Broken()])
                let ended = try await stage.run(stage.begin(on: failing))
                #expect(ended.state == state)
            }
        }
    }

    @Test("one whose undo got stuck goes on undoing when it is tried again")
    func retriesUndo() async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            stage.world.fail("+c", with: [Broken()])
            stage.world.fail("-b", with: Array(repeating: Broken(), count: 3))
            let id = try await stage.begin()
            let stuck = try await stage.run(id)
            #expect(stuck.state == .stuck)
            #expect(stuck.isUnwinding)
            #expect(
                stuck.error?.hasPrefix("Broken") == true, "the first reason is kept: \(stuck.error ?? "")")
            let refusal = await #expect(throws: Fault.self) { try await stage.store.unwind(id, by: "local") }
            #expect(refusal?.detail.contains("try it again") == true)
            #expect(try await stage.store.retry(id, by: "user 7").state == .unwinding)
            let failed = try await stage.run(id)
            #expect(failed.state == .failed)
            #expect(failed.error?.contains("tried again for user 7") == true)
            #expect(stage.world.things.isEmpty)
        }
    }

    @Test("one that waits or was left half done is taken back when somebody asks for it", arguments: [0, 2])
    func unwinds(begun: Int) async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            let id = try await stage.begin()
            if begun > 0 {
                Failpoint.arm("\(stage.kind).b.afterEffect", .halt)
                try await stage.run(id)
                Failpoint.disarm("\(stage.kind).b.afterEffect")
                #expect(stage.world.things.count == begun)
            }
            #expect(try await stage.store.unwind(id, by: "user 7").state == .unwinding)
            let operation = try await stage.run(id)
            #expect(operation.state == .failed)
            #expect(operation.error == "taken back for user 7")
            #expect(stage.world.things.isEmpty)
        }
    }

    @Test("one that is turned round while a step works is taken back after that step")
    func turnedRound() async throws {
        try await ControlDatabase.with { pool in
            var stage = Stage(pool)
            let (store, world) = (stage.store, stage.world)
            stage.steps[1] = Step("b") { context in
                try await store.unwind(context.operation, by: "local")
                return ["chain": "ab"]
            } undo: { _ in
            }
            let ended = try await stage.run(stage.begin())
            #expect(ended.state == .failed)
            #expect(world.log == ["+a", "-a"])
        }
    }

    @Test("what cannot be tried again or taken back says why, and stays as it is")
    func refusals() async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            let nobody = UUIDv7(at: SystemWallClock().now())
            let unknown = await #expect(throws: Fault.self) { try await stage.store.retry(nobody, by: "x") }
            #expect(unknown?.code == .notFound)
            let id = try await stage.begin()
            let waiting = await #expect(throws: Fault.self) { try await stage.store.retry(id, by: "x") }
            #expect(waiting?.code == .conflict)
            #expect(waiting?.detail.contains("pending") == true)
            try await stage.run(id)
            let ended = await #expect(throws: Fault.self) { try await stage.store.unwind(id, by: "x") }
            #expect(ended?.code == .conflict)
            #expect(ended?.detail.contains("has ended: it is done") == true)
            #expect(try await stage.current(id).state == .done)
        }
    }

    @Test("who wants a subject that is taken is told what has it, who asked and which daemon works on it")
    func namesTheHolder() async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            let id = try await stage.begin()
            let waiting = await #expect(throws: Fault.self) { try await stage.begin() }
            #expect(waiting?.detail == "\(stage.kind) \(id) has it (pending, asked for by local)")
            Failpoint.arm("\(stage.kind).b.afterEffect", .halt)
            try await stage.run(id)
            Failpoint.disarm("\(stage.kind).b.afterEffect")
            let running = await #expect(throws: Fault.self) { try await stage.begin() }
            let expected =
                "\(stage.kind) \(id) has it (running, asked for by local, worked on by host pid 7)"
            #expect(running?.detail == expected)
            #expect(try await stage.current(id).heldBy == "host pid 7")
        }
    }

    @Test("a plan shows every step's effects with placeholders, and does nothing")
    func plans() async throws {
        try await ControlDatabase.with { pool in
            var stage = Stage(pool)
            stage.steps[2] = stage.world.step("c", after: "b", isReversible: false)
            let plan = try await stage.saga.plan(
                subject: "acme", input: [:], logger: Logger(label: "test"))
            #expect(plan.map(\.name) == ["a", "b", "c"])
            #expect(plan.map(\.isReversible) == [true, true, false])
            #expect(plan[1].effects == [PlannedEffect("world", "make <chain>b for acme")])
            #expect(stage.world.log.isEmpty)
            #expect(try await stage.store.list(subject: nil, before: nil, limit: 5).isEmpty)
        }
    }

    @Test("its end is in the audit log, once, with who asked and what became of it")
    func audits() async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            let done = try await stage.begin()
            try await stage.run(done)
            stage.world.fail("+a", with: [Broken()])
            let failed = try await stage.begin()
            try await stage.run(failed)
            let rows = try await pool.run(
                """
                select actor, origin, subject, outcome, operation_id, detail from audit_log
                where action = \(stage.kind) order by id limit 10
                """
            ).decode((String, String, String, String, UUIDv7, String?).self)
            #expect(rows.map(\.3) == ["done", "failed"])
            #expect(rows.map(\.4) == [done, failed])
            #expect(rows.map(\.5) == [nil, "Broken()"])
            #expect(rows.allSatisfy { $0.0 == "local" && $0.1 == "constinteld" && $0.2 == "acme" })
        }
    }

    @Test("operations can be listed by their state")
    func listsByState() async throws {
        try await ControlDatabase.with { pool in
            let stage = Stage(pool)
            let done = try await stage.begin()
            try await stage.run(done)
            let pending = try await stage.begin()
            let store = stage.store
            #expect(
                try await store.list(subject: nil, state: .done, before: nil, limit: 5).map(\.id) == [done])
            #expect(
                try await store.list(subject: "acme", state: .pending, before: nil, limit: 5).map(\.id)
                    == [pending])
            #expect(try await store.list(subject: nil, state: .stuck, before: nil, limit: 5).isEmpty)
        }
    }
}
