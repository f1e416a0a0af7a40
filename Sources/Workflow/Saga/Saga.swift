import Kernel
import Logging

/// A change of several steps that either all take effect or are all taken back, whatever dies in between.
///
/// The plan (names and versions of the steps) is journaled when an operation is made, and followed to its
/// end: a daemon of a later release finds the step of the version that was planned.
package struct Saga: Sendable {
    /// What it does, as the API names it: `brand.provision`.
    package let kind: String
    /// The page to follow when one gets stuck, `runbooks/provision-stuck.md`.
    package let runbook: String
    /// What a new operation does, in order.
    package let steps: [Step]
    /// Earlier versions of steps, for as long as an unfinished operation may name them.
    package let earlier: [Step]
    /// Whether it is long work that can wait: only a few of these are done at once, and none of them takes
    /// the place of what somebody waits for.
    package let isBackground: Bool

    package init(
        kind: String, runbook: String, steps: [Step], earlier: [Step] = [], isBackground: Bool = false
    ) {
        self.kind = kind
        self.runbook = runbook
        self.steps = steps
        self.earlier = earlier
        self.isBackground = isBackground
    }

    func step(_ name: String, version: Int) -> Step? {
        (steps + earlier).first { $0.name == name && $0.version == version }
    }
}

/// One step of a saga.
///
/// Both of its functions may be run again after they had their effect, because the process can die between
/// the effect and its journal entry: they must be idempotent. `undo` also meets a half-done or never-begun
/// `perform`, and treats "already gone" as done.
package struct Step: Sendable {
    /// What a step leaves for later ones: ids it chose, secrets it sealed. Never a secret in the clear.
    package typealias Output = [String: String]

    package let name: String
    package let version: Int
    /// What `perform` would do, for people; it changes nothing and knows no outputs.
    package let plan: @Sendable (StepContext) async throws -> [PlannedEffect]
    package let perform: @Sendable (StepContext) async throws -> Output
    /// Nil for a step that cannot be taken back: once it has begun, its operation only goes forward.
    package let undo: (@Sendable (StepContext) async throws -> Void)?
    /// How long one attempt may take, where that is longer than the executor's own limit. Such a step is
    /// given up as soon as its operation is turned round.
    package let limit: Duration?

    package init(
        _ name: String, version: Int = 1, limit: Duration? = nil,
        plan: @escaping @Sendable (StepContext) async throws -> [PlannedEffect] = { _ in [] },
        perform: @escaping @Sendable (StepContext) async throws -> Output,
        undo: (@Sendable (StepContext) async throws -> Void)?
    ) {
        self.name = name
        self.version = version
        self.limit = limit
        self.plan = plan
        self.perform = perform
        self.undo = undo
    }
}

extension Step {
    /// Whether it can be taken back.
    package var isReversible: Bool { undo != nil }
}

/// One thing that a step would do, as `--plan` shows it: secrets and ids yet to be chosen are placeholders.
package struct PlannedEffect: Sendable, Equatable {
    /// Where: `control database`, `brands database`, `redis`, `files`, `supervisor`.
    package let target: String
    /// What: a statement, a command, a path, a call.
    package let action: String

    package init(_ target: String, _ action: String) {
        self.target = target
        self.action = action
    }
}

/// What a step may know: its operation, the operation's input, and the outputs of the steps done before it.
package struct StepContext: Sendable {
    package let operation: UUIDv7
    /// What the operation is about: a brand's slug.
    package let subject: String
    package let input: Step.Output
    package let outputs: [String: Step.Output]
    /// Nothing is done, and earlier steps have left nothing: what they would leave is a placeholder.
    package let isPlan: Bool
    package let logger: Logger
    /// Says how far the step has come, in a few words for people; once a second is often enough.
    package var report: @Sendable (String) async -> Void = { _ in }

    /// A value of the operation's input; its absence is a broken invariant, not bad input.
    package func input(_ key: String) throws(Fault) -> String {
        guard let value = input[key] else {
            throw Fault(.internal, doing: "go on with the operation", "its input lacks '\(key)'")
        }
        return value
    }

    /// A value that an earlier step left; in a plan, `<key>`.
    package func output(_ key: String, of step: String) throws(Fault) -> String {
        if isPlan { return "<\(key)>" }
        guard let value = outputs[step]?[key] else {
            throw Fault(.internal, doing: "go on with the operation", "step '\(step)' left no '\(key)'")
        }
        return value
    }
}
