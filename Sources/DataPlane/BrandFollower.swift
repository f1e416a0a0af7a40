import Contract
import Kernel
import Logging
import Sealing
import ServiceLifecycle
import Synchronization

/// Keeps what the control plane has projected: the brand's state and its keys, fresh within half a second.
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

    /// The last known settings, however old.
    var settings: BrandSettings { state.withLock { $0.projection.settings } }

    /// How many events may wait in the stream.
    var streamLimit: Int {
        state.withLock { $0.projection.limits.streamEntries } ?? BrandFollower.defaultStreamLimit
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

    private func refresh() async throws {
        let revision = try await store.revision()
        let known = state.withLock { $0.projection.revision }
        let fresh = revision == known ? nil : try await store.read()
        let now = clock.now()
        state.withLock { state in
            if let fresh { state.projection = fresh }
            state.readAt = now
        }
        if let fresh {
            logger.info("the brand's state has changed", metadata: ["revision": "\(fresh.revision)"])
        }
    }
}
