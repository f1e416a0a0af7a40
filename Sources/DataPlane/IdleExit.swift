import Kernel
import Logging
import ServiceLifecycle
import Web

/// Ends an instance that nobody has wanted anything of for as long as its plan says. The service manager
/// holds its socket, and starts it again for the next request.
///
/// It never ends with an event in the stream or with long work open; where neither can be asked, it stays.
struct IdleExit: Service {
    /// How often it is looked at most; a shorter limit is looked at ten times.
    static let period = Duration.seconds(1)

    /// How long nobody has wanted anything.
    let quiet: @Sendable () -> Duration
    /// How long that may be; nil for ever.
    let limit: @Sendable () -> Duration?
    /// Whether there is something to do that nobody waits for.
    let isBusy: @Sendable () async throws -> Bool
    var pauses: any Clock<Duration> = ContinuousClock()
    let logger: Logger

    /// Returns when the instance is to leave, or at a graceful shutdown.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                let limit = limit()
                if let limit, await isOver(limit) {
                    logger.info("asleep until somebody asks", metadata: ["idle": "\(limit)"])
                    return
                }
                let pause = limit.map { min($0 / 10, IdleExit.period) } ?? IdleExit.period
                try? await pauses.sleep(for: pause)
            }
        }
    }

    private func isOver(_ limit: Duration) async -> Bool {
        guard quiet() >= limit, let busy = try? await isBusy() else { return false }
        // Somebody may have come meanwhile.
        return !busy && quiet() >= limit
    }
}
