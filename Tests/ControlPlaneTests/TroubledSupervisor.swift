import Kernel
import Supervision
import Synchronization

/// The real supervisor, which refuses or keeps callers waiting when it is told to, and counts what is asked
/// of it.
final class TroubledSupervisor: Supervisor {
    private struct Trouble {
        var refusals = 0
        var refused: Set<String> = []
        var held: Set<String> = []
        var waiting: [CheckedContinuation<Void, Never>] = []
        var calls: [String: Int] = [:]
    }

    private let real: any Supervisor
    private let trouble = Mutex(Trouble())

    init(_ real: any Supervisor) { self.real = real }

    /// Starts, stops and restarts that were asked for, by unit.
    var calls: [String: Int] { trouble.withLock { $0.calls } }

    /// Refuses the next `times` calls that change something.
    func refuse(times: Int) { trouble.withLock { $0.refusals = times } }

    /// Refuses whatever would change this unit.
    func refuse(_ name: String) { _ = trouble.withLock { $0.refused.insert(name) } }

    /// Keeps whoever would change this unit waiting until `recover`, also when its task is cancelled.
    func hold(_ name: String) { _ = trouble.withLock { $0.held.insert(name) } }

    /// Is like the real one from now on.
    func recover() {
        let waiting = trouble.withLock { trouble in
            defer { trouble = Trouble(calls: trouble.calls) }
            return trouble.waiting
        }
        for caller in waiting { caller.resume() }
    }

    func start(_ unit: UnitSpecification) async throws {
        try await enter(unit.name)
        try await real.start(unit)
    }

    func stop(_ name: String) async throws {
        try await enter(name)
        try await real.stop(name)
    }

    func restart(_ name: String) async throws {
        try await enter(name)
        try await real.restart(name)
    }

    func awaitReady(_ name: String) async throws { try await real.awaitReady(name) }
    func status(_ name: String) async -> UnitStatus? { await real.status(name) }
    func statuses() async -> [String: UnitStatus] { await real.statuses() }
    func changes() async -> UnitChanges { await real.changes() }

    private func enter(_ name: String) async throws {
        await withCheckedContinuation { caller in
            let isHeld = trouble.withLock { trouble in
                trouble.calls[name, default: 0] += 1
                guard trouble.held.contains(name) else { return false }
                trouble.waiting.append(caller)
                return true
            }
            if !isHeld { caller.resume() }
        }
        let isRefused = trouble.withLock { trouble in
            if trouble.refused.contains(name) { return true }
            guard trouble.refusals > 0 else { return false }
            trouble.refusals -= 1
            return true
        }
        if isRefused { throw Fault(.unavailable, doing: "change \(name)", "the supervisor refuses") }
    }
}
