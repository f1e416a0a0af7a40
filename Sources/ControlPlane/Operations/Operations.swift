import Contract
import Kernel
import Postgres
import ServiceLifecycle
import Workflow

/// Showing operations, following them, and having them go on or back.
struct Operations: Sendable {
    let store: OperationStore
    let steps: StepStore
    let pauses: any Clock<Duration>

    /// How often a followed operation is looked at, how much oftener for so many looks after any news, since
    /// one is seldom alone, and how many times at most.
    static let followPeriod = Duration.milliseconds(250)
    static let closePeriod = Duration.milliseconds(25)
    static let closeLooks = 40
    static let maximumLooks = 4 * 3600
    /// After so many looks without news a comment keeps proxies from closing the connection.
    static let looksPerHeartbeat = 60

    /// The operation of this id, with its steps.
    ///
    /// - Throws: `Fault.notFound`, also for what cannot be an id.
    func show(_ id: String) async throws -> OperationView {
        try await show(identified(id, doing: "show the operation"), doing: "show the operation")
    }

    /// A page of operations, newest first; only those on `subject`, and in `state`, when they are given.
    func list(
        subject: String?, state: String?, after cursor: Cursor?, limit: Int
    ) async throws -> Page<OperationView> {
        let doing = "list operations"
        let position = try cursor.map {
            guard let id = UUIDv7($0.position) else {
                throw Fault(
                    .invalid, doing: doing, "expected a nextCursor of an earlier page", field: "cursor")
            }
            return id
        }
        let state = try state.map {
            guard let state = Operation.State(rawValue: $0) else {
                let states = Operation.State.allCases.map(\.rawValue).joined(separator: ", ")
                throw Fault(.invalid, doing: doing, "expected one of \(states)", field: "state")
            }
            return state
        }
        let found = try await store.list(subject: subject, state: state, before: position, limit: limit + 1)
        let items = found.prefix(limit).map { OperationView($0) }
        return Page(
            items: items, nextCursor: found.count > limit ? Cursor(items.last?.id.description).text : nil)
    }

    /// Has a stuck operation go on in the direction that it was going; answers how it then stands. The
    /// executor is to be poked.
    ///
    /// - Throws: `Fault.notFound`, and `Fault.conflict` when it is not stuck.
    func retry(
        _ id: String, by principal: String, in transaction: PostgresTransaction
    ) async throws -> OperationView {
        let doing = "try the operation again"
        let id = try identified(id, doing: doing)
        return OperationView(try await store.retry(id, by: principal, in: transaction))
    }

    /// Has an operation that has not ended be taken back; answers how it then stands. The executor is to be
    /// poked.
    ///
    /// - Throws: `Fault.notFound`, and `Fault.conflict` when it has ended, goes back already, or has begun a
    ///   step that cannot be taken back.
    func unwind(
        _ id: String, by principal: String, in transaction: PostgresTransaction
    ) async throws -> OperationView {
        let doing = "take the operation back"
        let id = try identified(id, doing: doing)
        return OperationView(try await store.unwind(id, by: principal, in: transaction))
    }

    private func identified(_ id: String, doing: String) throws(Fault) -> UUIDv7 {
        guard let id = OperationID(id) else { throw Self.missing(doing) }
        return id.uuid
    }

    private func show(_ id: UUIDv7, doing: String) async throws -> OperationView {
        guard let operation = try await store.operation(id) else { throw Self.missing(doing) }
        // Read after the operation, so that one that has ended is shown with the last of its steps ended.
        return OperationView(operation, steps: try await steps.steps(of: id))
    }

    private static func missing(_ doing: String) -> Fault {
        Fault(.notFound, doing: doing, "there is no such operation")
    }

    /// Calls `news` with the operation as it stands, again with each change, and with nil as a heartbeat;
    /// returns after its final state, or when the daemon leaves: the client asks again.
    func follow(_ id: String, _ news: (OperationView?) async throws -> Void) async throws {
        var last: OperationView?
        var looksSinceNews = 0
        for _ in 0..<Operations.maximumLooks {
            let view = try await show(id)
            if last?.hasNews(view) ?? true {
                try await news(view)
                looksSinceNews = 0
            } else if looksSinceNews == Operations.looksPerHeartbeat {
                try await news(nil)
                looksSinceNews = 0
            }
            if view.state.isFinal || Task.isShuttingDownGracefully { return }
            last = view
            looksSinceNews += 1
            let isClose = looksSinceNews <= Operations.closeLooks
            try await pauses.sleep(for: isClose ? Operations.closePeriod : Operations.followPeriod)
        }
    }
}

extension OperationView {
    /// The journal's operation as the API shows it, with its steps where they are shown.
    init(_ operation: Operation, steps: [StepProgress]? = nil) {
        self.init(
            id: OperationID(operation.id), kind: operation.kind, subject: operation.subject,
            state: State(rawValue: operation.state.rawValue) ?? .running, step: operation.step,
            progress: Progress(
                done: Int64(operation.stepsDone), total: Int64(operation.stepsTotal), unit: "steps"),
            steps: steps?.map {
                Step(
                    name: $0.name, state: Step.State(rawValue: $0.state) ?? .running, attempts: $0.attempts,
                    error: $0.error, progress: $0.progress)
            },
            error: operation.error, runbook: operation.state == .stuck ? operation.runbook : nil,
            requestedBy: operation.requestedBy, heldBy: operation.heldBy, createdAt: operation.createdAt,
            updatedAt: operation.updatedAt)
    }

    fileprivate func hasNews(_ other: OperationView) -> Bool {
        (state, step, updatedAt, heldBy) != (other.state, other.step, other.updatedAt, other.heldBy)
            || steps != other.steps
    }
}
