import Kernel
import Logging
import Postgres

/// Carries out the operations in the journal: those that wait, and those that a dead process left half done.
///
/// It takes no input. A poke or its period makes it look; what it finds is followed to the end, several
/// subjects at a time. An operation whose journal cannot be written is left and found again.
package actor SagaExecutor {
    /// The limits and pauses of an executor.
    package struct Settings: Sendable {
        /// For steps that meet something that is away; other failures unwind at once.
        package var perform = RetryPolicy(attempts: 6, first: .milliseconds(200), longest: .seconds(5))
        /// For undoing, which has nowhere else to go.
        package var undo = RetryPolicy(attempts: 8, first: .milliseconds(200), longest: .seconds(10))
        /// How often to look without being poked.
        package var period = Duration.seconds(2)
        /// Operations carried out at the same time, less those in the background.
        package var parallel = 8
        /// Operations in the background that are carried out at the same time.
        package var background = 2
        /// How often a long step's operation is looked at, whether it has been turned round.
        package var glance = Duration.seconds(1)
        /// What is kept of an error's text.
        package var errorCharacters = 2000
        /// How long one attempt at a step may take before it is cancelled and tried again. Generous: it is
        /// for what is frozen, not for what is slow.
        package var attemptLimit = Duration.seconds(300)
        /// Who works, as operations and people are told.
        package var holder = Leadership.Settings.thisProcess
        /// Is called with its subject before an operation is carried on, which waits for it.
        package var willWork: @Sendable (String) async -> Void = { _ in }
        /// Is called with its subject when an operation has come as far as it can.
        package var didWork: @Sendable (String) -> Void = { _ in }
        /// What pauses are waited by.
        package var clock: any Clock<Duration> = ContinuousClock()

        package init() {}
    }

    private let sagas: [String: Saga]
    private let operations: OperationStore
    private let journal: JournalStore
    private let settings: Settings
    private let logger: Logger
    private let looks: AsyncStream<Void>
    private let pokes: AsyncStream<Void>.Continuation
    /// What is carried out, and whether in the background.
    private var active: [UUIDv7: Bool] = [:]

    package init(
        sagas: [Saga], pool: PostgresPool, clock: any WallClock, settings: Settings = Settings(),
        logger: Logger
    ) {
        self.sagas = Dictionary(uniqueKeysWithValues: sagas.map { ($0.kind, $0) })
        self.operations = OperationStore(pool: pool, clock: clock)
        self.journal = JournalStore(pool: pool, clock: clock, holder: settings.holder)
        self.settings = settings
        self.logger = logger
        (looks, pokes) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Says that there may be something to do.
    package nonisolated func poke() { pokes.yield() }

    /// Works until its task is cancelled; then each operation stays where its journal says. Run it once.
    ///
    /// Nothing that becomes of one operation ends it, except for a failpoint that halts.
    package func run() async throws {
        do { try await work() } catch is Failpoint.Halted { throw CancellationError() }
    }

    private func work() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { [settings, pokes] in
                // Ends the loop below when the group is cancelled, by whomever.
                defer { pokes.finish() }
                while true {
                    pokes.yield()
                    try await settings.clock.sleep(for: settings.period)
                }
            }
            for await _ in looks {
                for id in await take() { group.addTask { try await self.follow(id) } }
            }
            group.cancelAll()
        }
    }

    private func take() async -> [UUIDv7] {
        do {
            let unfinished = try await journal.unfinished(limit: 1000)
            var free: [UUIDv7] = []
            for (id, kind) in unfinished where active[id] == nil {
                let isBackground = sagas[kind]?.isBackground ?? false
                let limit = isBackground ? settings.background : settings.parallel
                guard active.values.count(where: { $0 == isBackground }) < limit else { continue }
                active[id] = isBackground
                free.append(id)
            }
            return free
        } catch {
            if !Task.isCancelled { logger.warning("could not look for operations: \(error)") }
            return []
        }
    }

    /// How often an operation that was turned round meanwhile is read again at once.
    private static let readings = 3

    /// Throws only a cancellation, or a halt.
    private func follow(_ id: UUIDv7) async throws {
        defer { active[id] = nil }
        var logger = logger
        logger[metadataKey: "operation"] = "\(id)"
        do {
            for _ in 0..<SagaExecutor.readings {
                do {
                    try await finish(id, logger)
                    break
                } catch is SagaRun.Overtaken {
                    logger.info("the operation has been turned round")
                }
            }
            poke()
        } catch {
            if error is Failpoint.Halted { throw error }
            try Task.checkCancellation()
            logger.warning("left an operation to be looked at again: \(error)")
        }
    }

    private func finish(_ id: UUIDv7, _ logger: Logger) async throws {
        guard let operation = try await operations.operation(id),
            [.pending, .running, .unwinding].contains(operation.state)
        else { return }
        var logger = logger
        logger[metadataKey: "kind"] = "\(operation.kind)"
        logger[metadataKey: "subject"] = "\(operation.subject)"
        await settings.willWork(operation.subject)
        // A kind that this release does not know has no steps, and so gets stuck with its first.
        let saga = sagas[operation.kind] ?? Saga(kind: operation.kind, runbook: operation.runbook, steps: [])
        try await SagaRun(
            operation: operation, saga: saga, journal: journal, settings: settings, logger: logger
        ).finish()
        settings.didWork(operation.subject)
    }
}
