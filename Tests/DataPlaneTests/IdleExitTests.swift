import Logging
import Synchronization
import Testing

@testable import DataPlane

@Suite("An instance that nobody asks for anything")
struct IdleExitTests {
    /// What an idle exit sees, one answer a look; the last one stays.
    private final class Script: Sendable {
        private let quiet: Mutex<[Duration]>
        private let busy: Mutex<[Bool?]>
        private let asked = Mutex((quiet: 0, busy: 0))

        init(quiet: [Duration], busy: [Bool?]) {
            self.quiet = Mutex(quiet)
            self.busy = Mutex(busy)
        }

        var looks: (quiet: Int, busy: Int) { asked.withLock { $0 } }

        func nextQuiet() -> Duration {
            asked.withLock { $0.quiet += 1 }
            return quiet.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
        }

        /// - Throws: where the answer is nil.
        func nextBusy() throws -> Bool {
            asked.withLock { $0.busy += 1 }
            guard let answer = busy.withLock({ $0.count > 1 ? $0.removeFirst() : $0[0] }) else {
                throw CancellationError()
            }
            return answer
        }

        func exit(after limit: Duration?) -> IdleExit {
            IdleExit(
                quiet: { self.nextQuiet() }, limit: { limit }, isBusy: { try self.nextBusy() },
                pauses: HastyClock(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        }
    }

    /// A clock on which every sleep is over at once.
    private struct HastyClock: Clock {
        var now: ContinuousClock.Instant { .now }
        var minimumResolution: Duration { .nanoseconds(1) }
        func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
            await Task.yield()
            try Task.checkCancellation()
        }
    }

    @Test("leaves once it was quiet for as long as the plan says, and not before", .timeLimit(.minutes(1)))
    func quiet() async throws {
        let script = Script(quiet: [.seconds(1), .seconds(29), .seconds(30)], busy: [false])
        try await script.exit(after: .seconds(30)).run()
        #expect(script.looks.quiet == 4 && script.looks.busy == 1)
    }

    @Test("stays while there is work, and where that cannot be asked", .timeLimit(.minutes(1)))
    func busy() async throws {
        let script = Script(quiet: [.seconds(60)], busy: [true, nil, true, false])
        try await script.exit(after: .seconds(30)).run()
        #expect(script.looks.busy == 4)
    }

    @Test("stays when a request comes while it asks whether there is work", .timeLimit(.minutes(1)))
    func race() async throws {
        let script = Script(quiet: [.seconds(30), .zero, .seconds(30)], busy: [false])
        try await script.exit(after: .seconds(30)).run()
        #expect(script.looks.busy == 2)
    }

    @Test("never leaves where the plan gives no time", .timeLimit(.minutes(1)))
    func unlimited() async throws {
        let script = Script(quiet: [.seconds(1_000_000)], busy: [false])
        let task = Task { try await script.exit(after: nil).run() }
        for _ in 0..<1000 { await Task.yield() }
        task.cancel()
        try await task.value
        #expect(script.looks.busy == 0)
    }
}
