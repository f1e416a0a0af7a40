import Glibc
import Kernel
import Testing
import Workflow

@testable import ControlPlane

@Suite("A reconciler that hears of changes", .timeLimit(.minutes(3)))
struct ReconcilerSignalTests {
    /// A clock on which no time passes: every sleep lasts until it is cancelled.
    private struct StoppedClock: Clock {
        var now: ContinuousClock.Instant { ContinuousClock.now }
        var minimumResolution: Duration { .nanoseconds(1) }

        func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
            try await Task.sleep(for: .seconds(24 * 3600))
        }
    }

    @Test("what a supervisor signals is noted and put right without another look at all brands")
    func signals() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            var foundations = test.foundations
            // After the first look at all brands no other comes.
            foundations.saga.clock = StoppedClock()
            let plane = ControlPlane(foundations)
            let store = ObservationStore(
                pool: test.foundations.control, brands: test.foundations.brands, clock: test.clock)
            func ready(butNot pid: Int32?) async throws -> Int32 {
                while true {
                    if let seen = try await store.observation(of: slug), seen.state == "ready",
                        let found = seen.pid, found != pid
                    {
                        return found
                    }
                    try await Task.sleep(for: .milliseconds(10))
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { do { try await plane.reconciler.run() } catch is CancellationError {} }
                let first = try await ready(butNot: nil)
                kill(first, SIGKILL)
                let second = try await ready(butNot: first)
                try await test.supervisor.stop(slug.unitName)
                _ = try await ready(butNot: second)
                group.cancelAll()
            }
        }
    }
}
