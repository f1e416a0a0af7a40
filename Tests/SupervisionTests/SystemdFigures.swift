import Kernel
import Logging
import Testing

@testable import Supervision

extension RealSystemd {
    @Suite("How long systemd takes", .timeLimit(.minutes(5)))
    struct Figures {}
}

extension RealSystemd.Figures {
    @Test("a look, a start, a wake-up, a change and a stop, one after the other and many at once")
    func figures() async throws {
        try await withTemplate { test in
            func measure(_ what: String, _ times: Int, _ body: (Int) async throws -> Void) async throws {
                let start = ContinuousClock.now
                for time in 0..<times { try await body(time) }
                let each = (ContinuousClock.now - start) / times
                print("systemd: \(what): \(each.inMicroseconds) µs, mean of \(times)")
            }
            func asleep(_ index: Int) -> UnitSpecification {
                var unit = test.python("u\(index)")
                unit.activation = .onRequest
                return unit
            }
            let count = 50
            try await measure("start of an asleep unit", count) {
                try await test.supervisor.start(asleep($0))
            }
            try await measure("start again of what is as meant", count) {
                try await test.supervisor.start(asleep($0))
            }
            try await measure("status", 200) { _ = await test.supervisor.status(test.unit("u\($0 % count)")) }
            try await measure("statuses of \(count)", 5) { _ in
                #expect(await test.supervisor.statuses().count == count)
            }
            try await measure("wake-up to first byte (python3)", 10) { #expect(test.ask("u\($0)") != nil) }
            try await measure("ping", 200) { _ in _ = try await test.bus.call(.ping) }
            try await measure("reload", 5) { _ in try await test.bus.reload() }
            try await measure("last 3 lines of the journal", 20) { _ in
                _ = try await test.journal.last(3, of: "\(test.unit("u1")).service")
            }
            let start = ContinuousClock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<count {
                    group.addTask {
                        var unit = asleep(index)
                        unit.environment["CHANGED"] = "1"
                        try await test.supervisor.start(unit)
                    }
                }
                try await group.waitForAll()
            }
            let change = (ContinuousClock.now - start).inMicroseconds
            print("systemd: change of \(count) units at once: \(change) µs")
        }
    }
}
