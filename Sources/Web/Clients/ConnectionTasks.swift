import Synchronization

/// The tasks that serve connections, which all can be cancelled at once, those to come too.
///
/// A connection that was accepted has to be handled, however briefly: one that is dropped ends the process.
/// So the task that accepts is never cancelled, and those that serve are cancelled one by one.
final class ConnectionTasks: Sendable {
    private struct State {
        var isCancelled = false
        var last = 0
        var tasks: [Int: Task<Void, Never>] = [:]
    }

    private let state = Mutex(State())

    /// Serves one connection to its end.
    func run(_ serve: @escaping @Sendable () async -> Void) async {
        let (number, task) = state.withLock { state in
            let task = Task { await serve() }
            if state.isCancelled { task.cancel() }
            state.last += 1
            state.tasks[state.last] = task
            return (state.last, task)
        }
        await task.value
        state.withLock { _ = $0.tasks.removeValue(forKey: number) }
    }

    func cancelAll() {
        let tasks = state.withLock { state in
            state.isCancelled = true
            return state.tasks.values
        }
        for task in tasks { task.cancel() }
    }
}
