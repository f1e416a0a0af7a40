import Kernel
import Logging
import Postgres

/// Follows one operation from wherever its journal says it stands to a state that is final.
///
/// The journal is written before and after each effect, never instead of looking: what was `running` when the
/// process died is performed again, which its idempotence makes harmless.
struct SagaRun: Sendable {
    let operation: Operation
    let saga: Saga
    let journal: JournalStore
    let settings: SagaExecutor.Settings
    let logger: Logger

    /// The operation has moved on without this run; whoever looks next reads the journal again.
    struct Overtaken: Error {}

    /// Why going forward ended before the last step.
    private struct Failure {
        let text: String
        /// The step that cannot be taken back, and may have had its effect.
        let irreversible: String?
    }

    /// Performs what is left of the plan, or takes back what was done.
    func finish() async throws {
        let steps = try await journal.steps(of: operation.id)
        if let stranger = steps.first(where: { saga.step($0.name, version: $0.version) == nil }) {
            return try await stick(
                "this release has no step '\(stranger.name)' of version \(stranger.version)")
        }
        if operation.state != .unwinding {
            guard let failure = try await perform(steps) else { return }
            if let step = failure.irreversible {
                return try await stick("\(failure.text), and step '\(step)' cannot be taken back")
            }
            logger.warning("unwinding: \(failure.text)")
            try await confirm(
                journal.move(operation.id, from: [.pending, .running], to: .unwinding, error: failure.text))
        }
        try await undo(journal.steps(of: operation.id))
    }

    /// Goes forward; answers why it could not, or nil when all is done.
    private func perform(_ planned: [JournaledStep]) async throws -> Failure? {
        var planned = planned
        for index in planned.indices where planned[index].state != .done {
            let entry = planned[index]
            var context = context(after: planned)
            context.report = { [journal, operation] progress in
                // That it cannot be told how far the work has come is no reason to stop it.
                try? await journal.report(progress, on: entry, of: operation.id)
            }
            try await confirm(journal.begin(entry, of: operation.id))
            let output: Step.Output
            do {
                output = try await attempt(entry, .forward) { [context] in try await $0.perform(context) }
            } catch let error where !isInterruption(error) {
                let text = describe(error)
                try await journal.note(text, on: entry, of: operation.id)
                let irreversible = planned[...index].last { step($0)?.isReversible == false }
                return Failure(text: text, irreversible: irreversible?.name)
            }
            try await confirm(journal.finish(entry, of: operation.id, output: output))
            try Failpoint.$scope.withValue(scope(entry, .forward)) {
                try Failpoint.hit("\(saga.kind).\(entry.name).afterJournal")
            }
            planned[index].state = .done
            planned[index].output = output
            logger.info("step done", metadata: ["step": "\(entry.name)"])
        }
        try await confirm(journal.move(operation.id, from: [.pending, .running], to: .done))
        logger.info("operation done")
        return nil
    }

    /// Goes backward over everything that may have had an effect, the step that failed included.
    private func undo(_ planned: [JournaledStep]) async throws {
        for entry in planned.reversed() where entry.state != .pending && entry.state != .undone {
            let context = context(after: planned)
            guard let undo = step(entry)?.undo else {
                return try await stick("step '\(entry.name)' cannot be taken back")
            }
            try await confirm(journal.beginUndo(entry, of: operation.id))
            do {
                try await attempt(entry, .backward) { _ in try await undo(context) }
            } catch let error where !isInterruption(error) {
                try await journal.note(describe(error), on: entry, of: operation.id)
                return try await stick("step '\(entry.name)' could not be undone: \(describe(error))")
            }
            try await confirm(journal.finishUndo(entry, of: operation.id))
            logger.info("step undone", metadata: ["step": "\(entry.name)"])
        }
        try await confirm(journal.move(operation.id, from: [.unwinding], to: .failed))
        logger.warning("operation failed and was taken back")
    }

    private func stick(_ error: String) async throws {
        try await confirm(
            journal.move(operation.id, from: [.pending, .running, .unwinding], to: .stuck, error: error))
        logger.critical("operation stuck: \(error)", metadata: ["runbook": "\(operation.runbook)"])
    }

    private func confirm(_ found: Bool) throws {
        guard found else { throw Overtaken() }
    }

    private func step(_ entry: JournaledStep) -> Step? { saga.step(entry.name, version: entry.version) }

    private func context(after planned: [JournaledStep]) -> StepContext {
        let outputs = planned.compactMap { entry in entry.output.map { (entry.name, $0) } }
        return StepContext(
            operation: operation.id, subject: operation.subject, input: operation.input,
            outputs: Dictionary(uniqueKeysWithValues: outputs), isPlan: false, logger: logger)
    }

    private func describe(_ error: any Error) -> String {
        String("\(error)".prefix(settings.errorCharacters))
    }
}

// MARK: - One step's function, tried until it succeeds or there is no point

extension SagaRun {
    private enum Direction {
        case forward, backward

        var suffix: String { self == .forward ? "" : ".undo" }
        var states: [Operation.State] { self == .forward ? [.running] : [.unwinding] }
    }

    private func scope(_ entry: JournaledStep, _ direction: Direction) -> Failpoint.Scope {
        Failpoint.Scope(
            step: "\(saga.kind).\(entry.name)\(direction.suffix)", subject: operation.brand)
    }

    /// Tries `work` as often as its direction's policy says, as long as nobody turns the operation round.
    private func attempt<Value: Sendable>(
        _ entry: JournaledStep, _ direction: Direction,
        _ work: @escaping @Sendable (Step) async throws -> Value
    ) async throws -> Value {
        guard let step = step(entry) else { throw Overtaken() }
        let policy = direction == .forward ? settings.perform : settings.undo
        var isFirst = true
        return try await policy.run(
            pausingBy: settings.clock,
            while: { !isInterruption($0) && (direction == .backward || mayPass($0)) }
        ) {
            if !isFirst { try await confirm(journal.stands(operation.id, in: direction.states)) }
            isFirst = false
            return try await bounded(scope(entry, direction), by: step.limit, direction.states) {
                try await work(step)
            }
        }
    }

    /// Runs `work` between its failpoints, and cancels it when it takes too long: something frozen that it
    /// depends on must not hold one of the executor's places for ever.
    /// A long step, which has a limit of its own, is given up when its operation is turned round, too.
    private func bounded<Value: Sendable>(
        _ scope: Failpoint.Scope, by limit: Duration?, _ states: [Operation.State],
        _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let (limit, isLong) = (limit ?? settings.attemptLimit, limit != nil)
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                try await Failpoint.$scope.withValue(scope) {
                    try Failpoint.hit("\(scope.step).beforeEffect")
                    var value = try await work()
                    if try Failpoint.hit("\(scope.step).repeat") { value = try await work() }
                    try Failpoint.hit("\(scope.step).afterEffect")
                    return value
                }
            }
            group.addTask { [settings] in
                try await settings.clock.sleep(for: limit)
                return nil
            }
            if isLong {
                group.addTask { [settings, journal, operation] in
                    while true {
                        try await settings.clock.sleep(for: settings.glance)
                        let stands = try? await journal.stands(operation.id, in: states)
                        if stands == false { throw Overtaken() }
                    }
                }
            }
            guard let first = try await group.next(), let value = first else {
                throw Fault(
                    .unavailable, doing: "finish the step",
                    "it took longer than \(limit), and was given up")
            }
            return value
        }
    }

    /// Whether the run itself has ended here, and not the step: its process leaves, or would have died, or
    /// somebody has turned the operation round.
    private func isInterruption(_ error: any Error) -> Bool {
        Task.isCancelled || error is Failpoint.Halted || error is Overtaken
    }

    /// Whether trying the step again can help: something it depends on is away.
    private func mayPass(_ error: any Error) -> Bool {
        Fault.database(error, doing: "perform the step").code == .unavailable
    }
}
