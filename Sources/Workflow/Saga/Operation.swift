import Kernel

/// One run of a saga, as it stands in the journal.
package struct Operation: Sendable {
    /// Where it stands. `stuck`: it can neither go on nor be taken back by itself, and a person must follow
    /// the runbook.
    package enum State: String, Sendable, CaseIterable {
        case pending, running, unwinding, done, failed, stuck, cancelled
    }

    package let id: UUIDv7
    package let kind: String
    /// What it changes. No two unfinished operations have the same.
    package let subject: String
    package let state: State
    package let input: Step.Output
    /// The step being done or undone, or the last one.
    package let step: String?
    /// What made it unwind or got it stuck.
    package let error: String?
    package let runbook: String
    /// Whether it is being taken back, or was when it ended.
    package let isUnwinding: Bool
    /// Who asked for it: `local`, `user <id>`, or `constinteld`.
    package let requestedBy: String
    /// The daemon that works on it, or did last.
    package let heldBy: String?
    package let stepsDone: Int
    package let stepsTotal: Int
    package let createdAt: Timestamp
    package let updatedAt: Timestamp
}

extension Operation {
    /// The brand that it is about: what goes on beside its changes has a subject `<brand>/<what>`.
    var brand: String { String(subject.prefix { $0 != "/" }) }
}

/// An operation to be journaled together with the change that asks for it.
package struct OperationDraft: Sendable {
    package let id: UUIDv7
    package let saga: Saga
    package let subject: String
    package let input: Step.Output
    /// Who asked: `local`, `user <id>`, or `constinteld`.
    package let requestedBy: String

    package init(id: UUIDv7, saga: Saga, subject: String, input: Step.Output, requestedBy: String) {
        self.id = id
        self.saga = saga
        self.subject = subject
        self.input = input
        self.requestedBy = requestedBy
    }
}

/// One planned step of an operation, as it stands in the journal.
package struct JournaledStep: Sendable {
    /// `running` and `undoing` mean that the effect may or may not have happened.
    package enum State: String, Sendable {
        case pending, running, done, undoing, undone
    }

    package let ordinal: Int
    package let name: String
    package let version: Int
    package var state: State
    package var output: Step.Output?
}
