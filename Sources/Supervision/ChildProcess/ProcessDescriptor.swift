import CLinux
import Glibc
import Synchronization

/// A pidfd: signals one process, and tells everyone who waits when it has ended.
final class ProcessDescriptor: Sendable {
    private struct State {
        var hasEnded = false
        var waiting: [AsyncStream<Void>.Continuation] = []
    }

    /// Shared with the watch, which may outlive us by a moment.
    private final class End: Sendable {
        let state = Mutex(State())

        func come() {
            let waiting = state.withLock { state in
                state.hasEnded = true
                defer { state.waiting = [] }
                return state.waiting
            }
            for waiter in waiting { waiter.yield() }
        }
    }

    private let end = End()
    private let descriptor: WatchedDescriptor

    /// Nil when no process has `pid`.
    init?(pid: Int32) {
        let descriptor = pidfd_open(pid, 0)
        guard descriptor >= 0 else { return nil }
        self.descriptor = WatchedDescriptor(owning: descriptor) { [end] _ in
            end.come()
            return false
        }
    }

    /// Sends a signal; one to a process that has ended goes nowhere.
    func send(_ signal: Int32) {
        _ = pidfd_send_signal(descriptor.rawValue, signal, nil, 0)
    }

    /// Returns true when the process has ended, false when the waiting task was cancelled before.
    func ended() async -> Bool {
        let (ends, waiter) = AsyncStream<Void>.makeStream()
        let hasEnded = end.state.withLock { state in
            if !state.hasEnded { state.waiting.append(waiter) }
            return state.hasEnded
        }
        if hasEnded { return true }
        for await _ in ends { return true }
        return false
    }
}
