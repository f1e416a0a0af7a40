import Kernel
import Reactor
import Sealing

/// Hashes and verifies passwords on a thread of its own, one at a time: each takes a quarter of a second of
/// a core and much memory, and requests must neither wait behind them nor start hundreds at once.
actor PasswordWorker {
    /// Callers that may wait; one more is told to come again.
    static let maximumWaiting = 16

    private let reactor = Reactor()
    private let waiting = WaitingCount()

    nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

    /// The hash of a new password.
    nonisolated func hash(_ password: Secret) async throws -> PasswordHash {
        try waiting.enter()
        defer { waiting.leave() }
        return await make(password)
    }

    /// Whether `password` is the one of `stored`. A missing or unreadable `stored` takes as long to refuse.
    nonisolated func verify(_ password: Secret, _ stored: PasswordHash?) async throws -> Bool {
        try waiting.enter()
        defer { waiting.leave() }
        return await check(password, stored)
    }

    private func make(_ password: Secret) -> PasswordHash { PasswordHash.make(password) }

    private func check(_ password: Secret, _ stored: PasswordHash?) -> Bool {
        // Made by the first check of all, so that an unknown user's is not the one that takes longer.
        let decoy = PasswordHash.decoy
        return (stored ?? decoy).verify(password) && stored != nil
    }
}
