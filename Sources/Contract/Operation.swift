import Kernel

/// Names the ids of long work.
public enum OperationSubject {}
/// The id of one piece of long work.
public typealias OperationID = TypedID<OperationSubject>

/// Long work that answers 202 and is followed: a control operation (`/api/admin/operations/:id`) or an
/// instance's own (`/api/operations/:id`).
public struct OperationView: Codable, Sendable {
    /// Where the work stands. `stuck` needs a person: `runbook` names the page.
    public enum State: String, Codable, Sendable, CaseIterable {
        case pending, running, unwinding, done, failed, stuck, cancelled

        /// Whether nothing more will happen by itself.
        public var isFinal: Bool {
            switch self {
            case .done, .failed, .stuck, .cancelled: true
            case .pending, .running, .unwinding: false
            }
        }
    }

    /// How far the work has come, in its own unit (`bytes`, `rows`, `steps`).
    public struct Progress: Codable, Sendable, Equatable {
        public var done: Int64
        public var total: Int64?
        public var unit: String

        public init(done: Int64, total: Int64?, unit: String) {
            self.done = done
            self.total = total
            self.unit = unit
        }
    }

    /// One step of a control operation, in the order of doing.
    public struct Step: Codable, Sendable, Equatable {
        /// `running` and `undoing` mean that its effect may or may not be there.
        public enum State: String, Codable, Sendable, CaseIterable {
            case pending, running, done, undoing, undone
        }

        public var name: String
        public var state: State
        /// How often it was begun, in either direction.
        public var attempts: Int
        /// Why it did not succeed the last time that it did not.
        public var error: String?
        /// How far it has come, in words, while it runs and where it tells.
        public var progress: String?

        public init(
            name: String, state: State, attempts: Int, error: String? = nil, progress: String? = nil
        ) {
            self.name = name
            self.state = state
            self.attempts = attempts
            self.error = error
            self.progress = progress
        }
    }

    public var id: OperationID
    /// What is done: `brand.provision`, `events.import`.
    public var kind: String
    /// What it is done to: a brand's slug, a file's name.
    public var subject: String
    public var state: State
    /// The step being done or, at the end, the last one.
    public var step: String?
    public var progress: Progress?
    /// The steps of a control operation; absent in lists.
    public var steps: [Step]?
    /// What went wrong, for `failed`, `unwinding` and `stuck`.
    public var error: String?
    /// The page to follow when stuck, such as `runbooks/provision-stuck.md`.
    public var runbook: String?
    /// Who asked for it: `local`, `user <id>`, or `constinteld`.
    public var requestedBy: String?
    /// The daemon that works on it, or did last.
    public var heldBy: String?
    /// Figures of the finished work by name, such as `accepted` and `rejected`.
    public var counts: [String: Int64]?
    /// What a finished re-fold has found.
    public var result: RefoldReport?
    public var createdAt: Timestamp
    public var updatedAt: Timestamp

    public init(
        id: OperationID, kind: String, subject: String, state: State, step: String? = nil,
        progress: Progress? = nil, steps: [Step]? = nil, error: String? = nil, runbook: String? = nil,
        requestedBy: String? = nil, heldBy: String? = nil,
        counts: [String: Int64]? = nil, result: RefoldReport? = nil, createdAt: Timestamp,
        updatedAt: Timestamp
    ) {
        self.id = id
        self.kind = kind
        self.subject = subject
        self.state = state
        self.step = step
        self.progress = progress
        self.steps = steps
        self.error = error
        self.runbook = runbook
        self.requestedBy = requestedBy
        self.heldBy = heldBy
        self.counts = counts
        self.result = result
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// The answer to any change that was asked for with `?plan=true`: what it would do. Nothing has been done.
public struct OperationPlan: Codable, Sendable, Equatable {
    /// One step, in order.
    public struct Step: Codable, Sendable, Equatable {
        public var name: String
        /// Whether it can be taken back.
        public var isReversible: Bool
        public var effects: [Effect]

        public init(name: String, isReversible: Bool, effects: [Effect]) {
            self.name = name
            self.isReversible = isReversible
            self.effects = effects
        }
    }

    /// One thing that a step would do; secrets and ids yet to be chosen are placeholders.
    public struct Effect: Codable, Sendable, Equatable {
        /// `control database`, `brands database`, `redis`, `files`, `supervisor` or `backup repository`.
        public var target: String
        /// A statement, a command, a path, a call.
        public var action: String

        public init(target: String, action: String) {
            self.target = target
            self.action = action
        }
    }

    public var kind: String
    public var subject: String
    public var steps: [Step]

    public init(kind: String, subject: String, steps: [Step]) {
        self.kind = kind
        self.subject = subject
        self.steps = steps
    }
}
