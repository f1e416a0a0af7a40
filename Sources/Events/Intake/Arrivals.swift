import Synchronization

/// Wakes one waiter when something has come in, so that it need not wait for its period.
///
/// What arrives while nobody waits is remembered, once.
public final class Arrivals: Sendable {
    private struct State {
        var hasArrived = false
        var turn = 0
        /// The turn whose time was over before its waiter could be kept.
        var expiredTurn: Int?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    public init() {}

    /// Something has arrived.
    public func announce() {
        let waiter = state.withLock { state in
            state.hasArrived = state.waiter == nil
            return state.waiter.take()
        }
        waiter?.resume()
    }

    /// Waits until something arrives, `period` has passed, or the task is cancelled. One caller at a time.
    package func wait(atMost period: Duration) async {
        let turn = state.withLock { state in
            state.turn += 1
            return state.turn
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                try? await Task.sleep(for: period)
                self.expire(turn)
            }
            await withCheckedContinuation { keep($0, in: turn) }
            group.cancelAll()
        }
    }

    private func keep(_ waiter: CheckedContinuation<Void, Never>, in turn: Int) {
        let isOver = state.withLock { state in
            if state.hasArrived || state.expiredTurn == turn {
                state.hasArrived = false
                return true
            }
            state.waiter = waiter
            return false
        }
        if isOver { waiter.resume() }
    }

    private func expire(_ turn: Int) {
        let waiter = state.withLock { state in
            guard state.turn == turn else { return CheckedContinuation<Void, Never>?.none }
            state.expiredTurn = turn
            return state.waiter.take()
        }
        waiter?.resume()
    }
}
