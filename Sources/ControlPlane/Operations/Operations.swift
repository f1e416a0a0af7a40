import Contract
import Kernel
import ServiceLifecycle
import Workflow

/// Showing operations and following them.
struct Operations: Sendable {
    let store: OperationStore
    let pauses: any Clock<Duration>

    /// How often a followed operation is looked at, and how long at most.
    static let followPeriod = Duration.milliseconds(250)
    static let maximumLooks = 4 * 3600
    /// After so many looks without news a comment keeps proxies from closing the connection.
    static let looksPerHeartbeat = 60

    /// The operation of this id.
    ///
    /// - Throws: `Fault.notFound`, also for what cannot be an id.
    func show(_ id: String) async throws -> OperationView {
        guard let id = OperationID(id), let operation = try await store.operation(id.uuid) else {
            throw Fault(.notFound, doing: "show the operation", "there is no such operation")
        }
        return OperationView(operation)
    }

    /// A page of operations, newest first; only those on `subject` when it is given.
    func list(subject: String?, after cursor: Cursor?, limit: Int) async throws -> Page<OperationView> {
        let position = try cursor.map {
            guard let id = UUIDv7($0.position) else {
                throw Fault(
                    .invalid, doing: "list operations", "expected a nextCursor of an earlier page",
                    field: "cursor")
            }
            return id
        }
        let found = try await store.list(subject: subject, before: position, limit: limit + 1)
        let items = found.prefix(limit).map { OperationView($0) }
        return Page(
            items: items, nextCursor: found.count > limit ? Cursor(items.last?.id.description).text : nil)
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
            try await pauses.sleep(for: Operations.followPeriod)
        }
    }
}

extension OperationView {
    /// The journal's operation as the API shows it.
    init(_ operation: Operation) {
        self.init(
            id: OperationID(operation.id), kind: operation.kind, subject: operation.subject,
            state: State(rawValue: operation.state.rawValue) ?? .running, step: operation.step,
            progress: Progress(
                done: Int64(operation.stepsDone), total: Int64(operation.stepsTotal), unit: "steps"),
            error: operation.error, runbook: operation.state == .stuck ? operation.runbook : nil,
            createdAt: operation.createdAt, updatedAt: operation.updatedAt)
    }

    fileprivate func hasNews(_ other: OperationView) -> Bool {
        (state, step, updatedAt) != (other.state, other.step, other.updatedAt) || progress != other.progress
    }
}
