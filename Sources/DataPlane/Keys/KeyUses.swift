import Kernel
import Logging
import ServiceLifecycle
import Synchronization

/// Remembers when keys were last used, and writes it down once a minute and when the instance leaves: a
/// request costs no write, and a killed instance forgets the uses of a minute at most.
final class KeyUses: Service {
    /// How often the uses are written.
    static let period = Duration.seconds(60)

    private let store: KeyUseStore
    private let clock: any WallClock
    private let pauses: any Clock<Duration>
    private let logger: Logger
    private let uses = Mutex<[String: Timestamp]>([:])

    init(
        store: KeyUseStore, clock: any WallClock, pauses: any Clock<Duration> = ContinuousClock(),
        logger: Logger
    ) {
        self.store = store
        self.clock = clock
        self.pauses = pauses
        self.logger = logger
    }

    /// A key has been used now.
    func note(_ publicID: String) {
        let now = clock.now()
        uses.withLock { $0[publicID] = now }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            while (try? await pauses.sleep(for: KeyUses.period)) != nil { await write() }
        }
        await write()
    }

    /// Writes what has been noted; what cannot be written is kept for the next time.
    func write() async {
        let noted = uses.withLock { uses in
            defer { uses = [:] }
            return uses
        }
        guard !noted.isEmpty else { return }
        do {
            try await store.write(noted)
        } catch {
            logger.warning("the uses of keys cannot be written", metadata: ["error": "\(error)"])
            uses.withLock { uses in uses.merge(noted) { later, _ in later } }
        }
    }
}
