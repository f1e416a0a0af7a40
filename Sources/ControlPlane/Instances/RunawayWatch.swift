import CoreMetrics
import Kernel
import Logging

/// Ends sessions of brands' roles that take more than any instance's do.
///
/// The roles' own time-outs are defaults, which a session sets aside with one statement. Here it has no say:
/// a query that runs for hours takes a processor from all brands, a transaction that stays open keeps the
/// server from cleaning up behind all of them, and one that collects locks takes the room of everybody's.
struct RunawayWatch: Sendable {
    /// How often the sessions are looked at.
    static let period = Duration.seconds(5)
    /// What the name means.
    static let help = [
        "constintel_sessions_ended_total": "Sessions of brands' roles that were ended for what they took."
    ]

    let store: RunawayStore
    let bounds: RunawayStore.Bounds
    let clock: any Clock<Duration>
    let logger: Logger
    private let ended: [RunawayStore.Excess: Counter]

    init(
        store: RunawayStore, bounds: RunawayStore.Bounds = .init(), clock: any Clock<Duration>, logger: Logger
    ) {
        self.store = store
        self.bounds = bounds
        self.clock = clock
        self.logger = logger
        ended = Dictionary(
            uniqueKeysWithValues: RunawayStore.Excess.allCases.map { excess in
                (
                    excess,
                    Counter(
                        label: "constintel_sessions_ended_total", dimensions: [("for", excess.rawValue)])
                )
            })
    }

    /// Watches until its task is cancelled.
    func run() async throws {
        while true {
            do {
                try await pass()
            } catch {
                try Task.checkCancellation()
                logger.warning("could not look at the sessions of brands: \(error)")
            }
            try await clock.sleep(for: RunawayWatch.period)
        }
    }

    /// Ends the sessions that are beyond the bounds now, and gives them.
    @discardableResult
    func pass() async throws -> [RunawayStore.Ended] {
        let found = try await store.end(beyond: bounds)
        for session in found {
            ended[session.excess]?.increment()
            logger.warning(
                "a session of a brand's role was ended for what it took",
                metadata: [
                    "role": "\(session.role)", "for": "\(session.excess)", "seconds": "\(session.seconds)",
                ])
        }
        return found
    }
}
