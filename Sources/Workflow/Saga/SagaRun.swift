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

    /// Performs what is left of the plan, or takes back what was done.
    func finish() async throws {
        let steps = try await journal.steps(of: operation.id)
        if let stranger = steps.first(where: { saga.step($0.name, version: $0.version) == nil }) {
            return try await stick(
                "this release has no step '\(stranger.name)' of version \(stranger.version)")
        }
        if operation.state != .unwinding {
            guard let failure = try await perform(steps) else { return }
            logger.warning("unwinding: \(failure)")
            try await confirm(
                journal.move(operation.id, from: [.pending, .running], to: .unwinding, error: failure))
        }
        try await undo(journal.steps(of: operation.id))
    }

    /// Goes forward; answers why it could not, or nil when all is done.
    private func perform(_ planned: [JournaledStep]) async throws -> String? {
        var planned = planned
        for index in planned.indices where planned[index].state != .done {
            let entry = planned[index]
            let context = context(after: planned)
            try await confirm(journal.begin(entry, of: operation.id))
            let output: Step.Output
            do {
                output = try await effect(of: entry, retrying: settings.perform, while: mayPass) { step in
                    try await step.perform(context)
                }
            } catch let error where !(error is CancellationError) {
                let text = describe(error)
                try await journal.note(text, on: entry, of: operation.id)
                return text
            }
            try await confirm(journal.finish(entry, of: operation.id, output: output))
            try Failpoint.hit("\(saga.kind).\(entry.name).afterJournal")
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
            try await confirm(journal.beginUndo(entry, of: operation.id))
            do {
                try await effect(of: entry, suffix: ".undo", retrying: settings.undo, while: { _ in true }) {
                    try await $0.undo?(context)
                }
            } catch let error where !(error is CancellationError) {
                try await journal.note(describe(error), on: entry, of: operation.id)
                return try await stick("step '\(entry.name)' could not be undone: \(describe(error))")
            }
            try await confirm(journal.finishUndo(entry, of: operation.id))
            logger.info("step undone", metadata: ["step": "\(entry.name)"])
        }
        try await confirm(journal.move(operation.id, from: [.unwinding], to: .failed))
        logger.warning("operation failed and was taken back")
    }

    /// Runs one of a step's functions between its two failpoints.
    private func effect<Value>(
        of entry: JournaledStep, suffix: String = "", retrying policy: RetryPolicy,
        while isWorthwhile: (any Error) -> Bool, _ work: (Step) async throws -> Value
    ) async throws -> Value {
        guard let step = saga.step(entry.name, version: entry.version) else { throw Overtaken() }
        return try await policy.run(pausingBy: settings.clock, while: isWorthwhile) {
            try Failpoint.hit("\(saga.kind).\(entry.name)\(suffix).beforeEffect")
            let value = try await work(step)
            try Failpoint.hit("\(saga.kind).\(entry.name)\(suffix).afterEffect")
            return value
        }
    }

    private func stick(_ error: String) async throws {
        let reason = operation.error.map { "\($0); then \(error)" } ?? error
        try await confirm(
            journal.move(operation.id, from: [.pending, .running, .unwinding], to: .stuck, error: reason))
        logger.critical("operation stuck: \(reason)", metadata: ["runbook": "\(operation.runbook)"])
    }

    private func confirm(_ found: Bool) throws {
        guard found else { throw Overtaken() }
    }

    private func context(after planned: [JournaledStep]) -> StepContext {
        let outputs = planned.compactMap { entry in entry.output.map { (entry.name, $0) } }
        return StepContext(
            operation: operation.id, subject: operation.subject, input: operation.input,
            outputs: Dictionary(uniqueKeysWithValues: outputs), logger: logger)
    }

    /// Whether trying the step again can help: something it depends on is away.
    private func mayPass(_ error: any Error) -> Bool {
        Fault.database(error, doing: "perform the step").code == .unavailable
    }

    private func describe(_ error: any Error) -> String {
        String("\(error)".prefix(settings.errorCharacters))
    }
}
