import Kernel
import Logging
import Postgres
import ServiceLifecycle
import Synchronization

/// Decides whether a brand's plan lets more events in: so many a second, so many a month of its time zone, so
/// many profiles.
///
/// The month's figure is the meter's, which commits keep exact, and beside it what waits to be committed.
/// When the meter cannot be read, its last figure holds: an allowance is about money, and no event is refused
/// for want of knowing.
public final class EventQuota: Service {
    /// How often the meter is read again while events are committed.
    static let period = Duration.seconds(1)
    /// How long a request waits for a month's first figure.
    static let patience = Duration.seconds(1)
    /// How long to wait where what waits to be committed may be duplicates, which use nothing up.
    static let pause = Duration.seconds(2)

    private let database: PostgresPool
    private let store = EventMeterStore()
    private let waiting: @Sendable () -> Int
    private let clock: any WallClock
    private let logger: Logger
    private let current: @Sendable () -> EventAllowance
    private let state = Mutex(State())

    private struct Count {
        var events = 0
        var testEvents = 0
    }

    private struct State {
        var usage: EventUsage?
        var timeZone = ""
        var bucket: TokenBucket?
        /// When the meter was last asked in vain.
        var failedAt: Timestamp?
        /// Whether something was committed that `usage` may not know of.
        var isBehind = false
        /// All that this process has committed, and how much of it when `usage` began to be read.
        var committed = Count()
        var known = Count()

        /// The last figure and what has been committed since.
        var now: EventUsage? {
            guard var usage else { return nil }
            usage.events += committed.events - known.events
            usage.testEvents += committed.testEvents - known.testEvents
            return usage
        }
    }

    /// - Parameters:
    ///   - allowance: what is allowed at present.
    ///   - waiting: how many accepted events wait to be committed.
    public init(
        database: PostgresPool, allowance: @escaping @Sendable () -> EventAllowance,
        waiting: @escaping @Sendable () -> Int, clock: any WallClock, logger: Logger
    ) {
        self.database = database
        self.current = allowance
        self.waiting = waiting
        self.clock = clock
        self.logger = logger
    }

    /// What is allowed at present.
    public var allowance: EventAllowance { current() }

    /// Lets `count` events in.
    ///
    /// - Parameter isPaced: whether they come no faster than they are committed, as a file's do; the limit of
    ///   a second is not for them.
    /// - Throws: `Fault.limited` with the limit that is reached and how long to wait.
    func admit(_ count: Int, areTest: Bool, isPaced: Bool) async throws {
        let (allowance, now) = (allowance, clock.now())
        if allowance.perMonth != nil || allowance.profiles != nil {
            if let usage = await usage(at: now) {
                try admit(count, areTest, within: allowance, usage, at: now)
            }
        }
        if !isPaced { try draw(within: allowance, at: now) { $0.take(count, at: now) } }
    }

    /// Whether `count` events could come in at this moment by the limit of a second: what can be refused
    /// before it is read is refused cheaply.
    ///
    /// - Throws: `Fault.limited` with how long to wait.
    func foresee(_ count: Int) throws {
        let (allowance, now) = (allowance, clock.now())
        try draw(within: allowance, at: now) { $0.wait(for: count, at: now) }
    }

    private func draw(
        within allowance: EventAllowance, at now: Timestamp, _ body: (inout TokenBucket) -> Duration?
    ) throws {
        guard let rate = allowance.perSecond, let burst = allowance.burst else { return }
        let wait = state.withLock { state in
            var bucket = state.bucket ?? TokenBucket(rate: Double(rate), burst: Double(burst), at: now)
            bucket.change(rate: Double(rate), burst: Double(burst), at: now)
            defer { state.bucket = bucket }
            return body(&bucket)
        }
        if let wait {
            throw refusal("it allows \(rate) events per second", retryAfter: wait)
        }
    }

    private func admit(
        _ count: Int, _ areTest: Bool, within allowance: EventAllowance, _ usage: EventUsage,
        at now: Timestamp
    ) throws {
        if let limit = allowance.perMonth {
            let used = areTest ? usage.testEvents : usage.events
            let what = areTest ? "test events" : "events"
            guard used + count <= limit else {
                throw refusal(
                    "\(used) of its \(limit) \(what) per month are used, and the month ends at "
                        + "\(usage.month.upperBound)", retryAfter: usage.month.upperBound - now)
            }
            guard used + waiting() + count <= limit else {
                throw refusal(
                    "\(used) of its \(limit) \(what) per month are used, and \(waiting()) wait to be stored",
                    retryAfter: EventQuota.pause)
            }
        }
        if let limit = allowance.profiles, usage.profiles >= limit {
            throw refusal("it allows \(limit) profiles", retryAfter: .seconds(3600))
        }
    }

    private func refusal(_ why: String, retryAfter: Duration) -> Fault {
        Fault(
            .limited, doing: "accept the events", "the plan's limit is reached: \(why)",
            retryAfter: retryAfter)
    }

    /// How much is left at this moment.
    public var standing: EventStanding {
        let (allowance, now) = (allowance, clock.now())
        return state.withLock { state in
            var available = allowance.burst
            if let rate = allowance.perSecond, let burst = allowance.burst {
                state.bucket?.change(rate: Double(rate), burst: Double(burst), at: now)
                available = state.bucket?.available(at: now) ?? burst
            }
            return EventStanding(allowance: allowance, availableNow: available, usage: state.now)
        }
    }

    /// What is used of the month that `instant` lies in: the last figure, read first where the month or the
    /// time zone is another by now; nil when it has never been readable.
    public func usage(at instant: Timestamp) async -> EventUsage? {
        let timeZone = allowance.timeZone
        let (known, mayAsk) = state.withLock { state in
            let isCurrent = state.timeZone == timeZone && state.usage?.month.contains(instant) == true
            let hasJustFailed = state.failedAt.map { instant - $0 < EventQuota.period } ?? false
            return (state.now, !isCurrent && !hasJustFailed)
        }
        guard mayAsk else { return known }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.measure() }
            group.addTask { try? await Task.sleep(for: EventQuota.patience) }
            await group.next()
            group.cancelAll()
        }
        return state.withLock(\.now)
    }

    /// Tells of new events that were committed by this process.
    func note(_ committed: [PlacedEvent]) {
        let test = committed.count { $0.event.isTest }
        state.withLock { state in
            state.committed.events += committed.count - test
            state.committed.testEvents += test
            state.isBehind = true
        }
    }

    /// Reads the meter again and again until a graceful shutdown.
    public func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            while (try? await Task.sleep(for: EventQuota.period)) != nil {
                // An instance that nobody sends to asks nothing of the database.
                if state.withLock(\.isBehind) { await measure() }
            }
        }
    }

    private func measure() async {
        let (timeZone, now) = (allowance.timeZone, clock.now())
        let committed = state.withLock { state in
            state.isBehind = false
            return state.committed
        }
        do {
            let usage = try await store.usage(at: now, timeZone: timeZone, on: database)
            state.withLock { state in
                state.usage = usage
                state.timeZone = timeZone
                state.failedAt = nil
                // What is committed while the meter is read may be counted twice, until it is read again;
                // never not at all.
                state.known = committed
            }
        } catch {
            state.withLock { state in
                state.failedAt = now
                state.isBehind = true
            }
            logger.warning("the meter cannot be read", metadata: ["error": "\(error)"])
        }
    }
}
