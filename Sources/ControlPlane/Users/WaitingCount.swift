import Kernel
import Synchronization

/// Counts who waits for the password worker, without entering it.
final class WaitingCount: Sendable {
    private let count = Atomic<Int>(0)

    /// - Throws: `Fault.limited` when too many wait already.
    func enter() throws(Fault) {
        guard count.add(1, ordering: .relaxed).newValue <= PasswordWorker.maximumWaiting else {
            leave()
            throw Fault(
                .limited, doing: "check the password", "too many logins at once", retryAfter: .seconds(2))
        }
    }

    func leave() { count.subtract(1, ordering: .relaxed) }
}
