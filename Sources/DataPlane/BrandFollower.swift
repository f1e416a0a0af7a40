import Contract
import Events
import Kernel
import Logging
import Sealing
import ServiceLifecycle
import Synchronization

/// Keeps what the control plane has projected: the brand's state and its keys, fresh within half a second,
/// and at once for whoever knows of something that is not there yet.
///
/// When PostgreSQL is away the last known state holds for a minute; then requests are refused, since a key
/// may have been revoked meanwhile.
final class BrandFollower: Service {
    /// How often the projection's revision is read.
    static let period = Duration.milliseconds(500)
    /// How long the last known state holds when it cannot be read.
    static let validity = Duration.seconds(60)

    /// Events that may wait where the plan does not say.
    static let defaultStreamLimit = 200_000

    private struct State {
        var projection: Projection
        var readAt: Timestamp
        /// How many looks at the schema have begun, and which of them was the last to succeed.
        var begun = 0
        var succeeded = 0
        /// How often the projection has changed, and who waits for the next time.
        var changes = 0
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
        var waits = 0
    }

    private let store: ProjectionStore
    private let clock: any WallClock
    private let logger: Logger
    private let state: Mutex<State>

    /// Reads the projection for the first time.
    init(store: ProjectionStore, clock: any WallClock, logger: Logger) async throws {
        self.store = store
        self.clock = clock
        self.logger = logger
        state = Mutex(State(projection: try await store.read(), readAt: clock.now()))
    }

    /// The present projection.
    ///
    /// - Throws: `Fault.unavailable` when it has not been readable for `validity`.
    func projection() throws -> Projection {
        let state = state.withLock { $0 }
        guard clock.now() - state.readAt <= BrandFollower.validity else {
            throw Fault(
                .unavailable, doing: "serve the request", "the brand's state cannot be read",
                retryAfter: .seconds(5))
        }
        return state.projection
    }

    /// The projection as the schema has it now, or as last known when that cannot be read.
    ///
    /// However many ask, one looks at a time, and its look is for all who came before it: a stranger who
    /// makes up keys costs one connection's time.
    ///
    /// - Throws: what `projection` throws.
    func freshProjection() async throws -> Projection {
        let mark = state.withLock { $0.begun }
        do {
            try await refresh(unlessLookedAfter: mark)
        } catch {
            try Task.checkCancellation()
            logger.debug("the projection cannot be read", metadata: ["error": "\(error)"])
        }
        return try projection()
    }

    /// The last known settings, however old.
    var settings: BrandSettings { state.withLock { $0.projection.settings } }

    /// How many events may wait in the stream.
    var streamLimit: Int {
        state.withLock { $0.projection.limits.streamEntries } ?? BrandFollower.defaultStreamLimit
    }

    /// How long the instance stays awake when nobody asks; nil for ever.
    var idleTime: Duration? { state.withLock { $0.projection.limits.idleSeconds }.map { .seconds($0) } }

    /// How many events the brand may send.
    var allowance: EventAllowance {
        let projection = state.withLock(\.projection)
        return EventAllowance(
            perSecond: projection.limits.eventsPerSecond, perMonth: projection.limits.eventsPerMonth,
            profiles: projection.limits.profiles, timeZone: projection.settings.timeZone)
    }

    /// How often the projection has changed since the start.
    var changes: Int { state.withLock(\.changes) }

    /// Waits until the projection has changed more than `seen` times, or the task is cancelled.
    func change(after seen: Int) async {
        let wait = state.withLock { state in
            state.waits += 1
            return state.waits
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    guard state.changes == seen, !Task.isCancelled else { return true }
                    state.waiting[wait] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: wait) }?.resume()
        }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            while !Task.isCancelled {
                do {
                    try await refresh()
                } catch {
                    if !Task.isCancelled {
                        logger.warning("the projection cannot be read", metadata: ["error": "\(error)"])
                    }
                }
                try? await Task.sleep(for: BrandFollower.period)
            }
        }
    }

    private func refresh(unlessLookedAfter mark: Int = .max) async throws {
        try await store.look { look in
            let begun = state.withLock { state -> (revision: Int64, number: Int)? in
                guard state.succeeded <= mark else { return nil }
                state.begun += 1
                return (state.projection.revision, state.begun)
            }
            guard let begun else { return }
            let fresh = try await look.revision() == begun.revision ? nil : look.read()
            let now = clock.now()
            let waiting = state.withLock { state -> [Int: CheckedContinuation<Void, Never>] in
                state.readAt = now
                state.succeeded = begun.number
                guard let fresh else { return [:] }
                state.projection = fresh
                state.changes += 1
                defer { state.waiting = [:] }
                return state.waiting
            }
            for continuation in waiting.values { continuation.resume() }
            if let fresh {
                logger.info("the brand's state has changed", metadata: ["revision": "\(fresh.revision)"])
            }
        }
    }
}
