import Kernel
import Logging
import Postgres
import Synchronization

@testable import Workflow

/// What a saga changes in these tests: a set of things outside of the journal, which survive a crash.
final class World: Sendable {
    struct State {
        var things: Set<String> = []
        /// Every effect in order: `+a` performed, `-a` undone.
        var log: [String] = []
        /// Errors that calls still have to throw, by effect.
        var failures: [String: [any Error]] = [:]
    }

    private let state = Mutex(State())

    var things: Set<String> { state.withLock(\.things) }
    var log: [String] { state.withLock(\.log) }

    func fail(_ effect: String, with errors: [any Error]) {
        state.withLock { $0.failures[effect] = errors }
    }

    private func happen(_ effect: String, _ change: (inout Set<String>) -> Void) throws {
        try Failpoint.effect()
        let failure: (any Error)? = state.withLock { state in
            state.log.append(effect)
            if state.failures[effect]?.isEmpty == false { return state.failures[effect]?.removeFirst() }
            change(&state.things)
            return nil
        }
        if let failure { throw failure }
    }

    /// A step that makes the thing `name`, leaves its number, and notes what the step before it left.
    func step(
        _ name: String, version: Int = 1, after earlier: String? = nil, isReversible: Bool = true
    ) -> Step {
        @Sendable func chain(_ context: StepContext) throws -> String {
            try (earlier.map { try context.output("chain", of: $0) } ?? "") + name
        }
        let undo: @Sendable (StepContext) async throws -> Void = { _ in
            try self.happen("-\(name)") { $0.remove(name) }
        }
        return Step(
            name, version: version,
            plan: { [PlannedEffect("world", "make \(try chain($0)) for \($0.subject)")] },
            perform: { context in
                let made = try chain(context)
                try self.happen("+\(name)") { $0.insert(name) }
                return ["chain": made]
            }, undo: isReversible ? undo : nil)
    }
}

/// Waits for nothing and keeps what it was asked to wait for, apart from the executor's period and the limit
/// of an attempt, which passes when a test lets it.
final class PauseClock: Clock {
    typealias Instant = ContinuousClock.Instant

    static let period = Duration.seconds(24 * 3600)

    static let attempt = Duration.seconds(3000)

    private let asked = Mutex<[Duration]>([])
    private let expiries = Mutex(0)

    var pauses: [Duration] { asked.withLock { $0 } }
    var now: Instant { ContinuousClock.now }
    var minimumResolution: Duration { .nanoseconds(1) }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let pause = now.duration(to: deadline)
        if pause > .seconds(2900), pause <= PauseClock.attempt {
            while !takeExpiry() { try await Task.sleep(for: .milliseconds(1)) }
            return
        }
        if pause > .seconds(3600) { return try await Task.sleep(for: pause) }
        asked.withLock { $0.append(pause) }
        try Task.checkCancellation()
        await Task.yield()
    }

    /// Lets the limit of one attempt pass.
    func expireAttempt() { expiries.withLock { $0 += 1 } }

    private func takeExpiry() -> Bool {
        expiries.withLock { count in
            guard count > 0 else { return false }
            count -= 1
            return true
        }
    }
}

/// One saga of a kind of its own over a world and a journal; failpoints of different tests do not meet.
struct Stage {
    let pool: PostgresPool
    let world = World()
    let clock = PauseClock()
    let kind = "test.\(UInt64.random(in: 0...UInt64.max))"
    let names: [String]
    var steps: [Step]
    var earlier: [Step] = []
    var wallClock: any WallClock = SystemWallClock()
    var attemptLimit = PauseClock.period

    init(_ pool: PostgresPool, steps names: [String] = ["a", "b", "c"]) {
        self.pool = pool
        self.names = names
        steps = []
        steps = names.enumerated().map { index, name in
            world.step(name, after: index == 0 ? nil : names[index - 1])
        }
    }

    var saga: Saga { Saga(kind: kind, runbook: "runbooks/test.md", steps: steps, earlier: earlier) }
    var store: OperationStore { OperationStore(pool: pool, clock: wallClock) }

    /// Journals an operation.
    func begin(on subject: String = "acme") async throws -> UUIDv7 {
        let id = UUIDv7(at: wallClock.now())
        try await pool.transaction { transaction in
            try await store.insert(
                OperationDraft(id: id, saga: saga, subject: subject, input: ["x": "y"], requestedBy: "local"),
                in: transaction)
        }
        return id
    }

    /// Runs an executor until the operation is final, or until it halts at a failpoint.
    @discardableResult
    func run(_ id: UUIDv7) async throws -> Operation {
        var settings = SagaExecutor.Settings()
        settings.clock = clock
        settings.period = PauseClock.period
        settings.attemptLimit = attemptLimit
        settings.holder = "host pid 7"
        settings.undo = RetryPolicy(attempts: 3, first: .milliseconds(100), longest: .seconds(10))
        let executor = SagaExecutor(
            sagas: [saga], pool: pool, clock: wallClock, settings: settings,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        return try await withThrowingTaskGroup(of: Void.self) { group in
            let halted = Atomic<Bool>(false)
            group.addTask {
                defer { halted.store(true, ordering: .relaxed) }
                do { try await executor.run() } catch is CancellationError {}
            }
            var operation = try await current(id)
            while !halted.load(ordering: .relaxed),
                [.pending, .running, .unwinding].contains(operation.state)
            {
                try await Task.sleep(for: .milliseconds(2))
                operation = try await current(id)
            }
            group.cancelAll()
            try await group.waitForAll()
            return try await current(id)
        }
    }

    func current(_ id: UUIDv7) async throws -> Operation {
        guard let operation = try await store.operation(id) else {
            throw Fault(.notFound, doing: "find the operation", "it is gone")
        }
        return operation
    }
}
