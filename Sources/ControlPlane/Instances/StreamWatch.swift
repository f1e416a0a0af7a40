import Kernel
import Logging
import Redis
import Supervision

/// Wakes sleeping brands with events in their streams: one may have fallen asleep a moment before an event of
/// a request that it had accepted was there, or have been killed, or the machine was started again.
struct StreamWatch: Sendable {
    /// How often the streams of sleeping brands are measured.
    static let period = Duration.seconds(5)

    let supervisor: any Supervisor
    let redis: RedisClient
    let clock: any Clock<Duration>
    let logger: Logger

    /// Watches until its task is cancelled.
    func run() async throws {
        while true {
            do {
                try await pass()
            } catch {
                try Task.checkCancellation()
                logger.warning("could not look at the streams of sleeping brands: \(error)")
            }
            try await clock.sleep(for: StreamWatch.period)
        }
    }

    /// Wakes each sleeping brand that has something to do, and gives those.
    @discardableResult
    func pass() async throws -> [Slug] {
        let asleep = await supervisor.statuses().filter { $0.value.state == .asleep }.keys
            .compactMap(Slug.init(unitName:))
        var woken: [Slug] = []
        for slug in asleep.sorted() {
            let stream = RedisStream(redis, key: slug.redisPrefix + "events")
            guard try await stream.length() > 0 else { continue }
            logger.info("woken for what is in its stream", metadata: ["brand": "\(slug)"])
            try await supervisor.wake(slug.unitName)
            woken.append(slug)
        }
        return woken
    }
}
