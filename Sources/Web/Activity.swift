import Synchronization

/// Whether a server's clients want anything of it: requests under way, and when the last one ended.
///
/// Probes and scrapes are not counted (`Activity.unobserved`): whoever measures must not keep a brand awake.
public final class Activity: Sendable {
    /// Paths whose requests are nobody's activity.
    static let unobserved: Set<String> = ["/metrics", "/healthz", "/readyz"]

    private struct State {
        var requests = 0
        var lastEnd: ContinuousClock.Instant
    }

    private let state: Mutex<State>

    /// Begins as quiet as if a request had ended now.
    public init() { state = Mutex(State(lastEnd: .now)) }

    /// How long nobody has wanted anything; zero while a request is under way.
    public var quiet: Duration {
        state.withLock { $0.requests > 0 ? .zero : $0.lastEnd.duration(to: .now) }
    }

    /// Notes that a request of `path` is under way; returns whether it counts, and so must be ended.
    func begin(_ path: String) -> Bool {
        guard !Activity.unobserved.contains(path) else { return false }
        state.withLock { $0.requests += 1 }
        return true
    }

    /// Notes that a request is answered to its last byte, or given up.
    func end() {
        state.withLock { state in
            state.requests -= 1
            state.lastEnd = .now
        }
    }
}
