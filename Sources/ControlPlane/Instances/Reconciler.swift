import CoreMetrics
import Kernel
import Logging
import Supervision
import Workflow

/// Moves what is towards what is meant: projections are written, Redis users exist, instances run.
///
/// A brand is worked on when its unit's status changes, when somebody pokes, and when a periodic look at all
/// of them finds that it is not as it was left. Brands are worked on side by side in a limited number of
/// lanes, and one that takes too long loses its lane: none waits for another. One that keeps failing is
/// quarantined. Brands that an operation is changing, and those that are paused, are left alone.
actor Reconciler {
    /// How often all brands are looked at without a poke.
    static let period = Duration.seconds(5)
    /// Brands that are worked on at the same time; the rest of the pools' connections is for operations.
    static let lanes = 6
    /// How long the work on one brand may take: longer than an instance may take to stop.
    static let limit = Duration.seconds(45)
    /// Brands that are read at once.
    static let pageSize = 500

    let store: ObservationStore
    private let path: ReconcilerPath
    private let pauses: any Clock<Duration>
    private let logger: Logger
    private let measures: Measures
    private let inbox = ReconcilerInbox()
    private var queue = ReconcilerQueue(lanes: Reconciler.lanes)
    /// How this process has left each brand.
    private var settled: [Slug: ReconcilerPath.Settled] = [:]
    /// Brands that something was changed for: their quarantine is over.
    private var lifted: Set<Slug> = []
    /// Who waits for the work on a brand to end.
    private var leaving: [Slug: [CheckedContinuation<Void, Never>]] = [:]
    private var isRunning = false
    private var isLookDue = false
    private var isLooking = false

    init(
        instances: Instances, streamUsers: StreamUsers, clock: any WallClock,
        pauses: any Clock<Duration> = ContinuousClock(), quarantine: Quarantine = Quarantine(), logger: Logger
    ) {
        measures = Measures()
        store = ObservationStore(
            pool: instances.store.pool, brands: instances.tenants.pool, clock: clock)
        path = ReconcilerPath(
            instances: instances, streamUsers: streamUsers, store: store, clock: clock, measures: measures,
            quarantine: quarantine, logger: logger)
        self.pauses = pauses
        self.logger = logger
    }

    /// Says that something may have changed for some brands.
    nonisolated func poke() { inbox.put { $0.isResyncDue = true } }

    /// Says that something was changed for this brand: it is worked on next, quarantined or not.
    nonisolated func poke(_ slug: Slug) {
        inbox.put { $0.pokes.insert(slug) }
    }

    /// Reconciles until its task is cancelled.
    func run() async throws {
        isRunning = true
        defer { isRunning = false }
        // Before the first look, so that nothing changes unheard between the two.
        let changes = await path.instances.supervisor.changes()
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { [pauses, inbox] in
                while true {
                    inbox.put { $0.isResyncDue = true }
                    try await pauses.sleep(for: Reconciler.period)
                }
            }
            group.addTask { await self.follow(changes) }
            for await _ in inbox.wakes() {
                isLookDue = read() || isLookDue
                if isLookDue, !isLooking {
                    isLookDue = false
                    isLooking = true
                    group.addTask { await self.lookAtAll() }
                }
                while let slug = queue.next() { group.addTask { await self.work(on: slug) } }
            }
            group.cancelAll()
        }
    }

    /// Looks once at every brand and works on those that are not as they should be, to the end. Does nothing
    /// but poke while `run` runs.
    func pass() async throws {
        guard !isRunning else { return poke() }
        isRunning = true
        defer { isRunning = false }
        _ = read()
        var failure: (any Error)?
        do { try await look() } catch { failure = error }
        await withDiscardingTaskGroup { group in
            for await _ in inbox.wakes() {
                _ = read()
                while let slug = queue.next() { group.addTask { await self.work(on: slug) } }
                if queue.isIdle { break }
            }
        }
        if let failure { throw failure }
    }

    /// Returns when no work on the brand goes on. Work that begins after an operation's row was committed
    /// sees it, so an operation that calls this before its first step has the brand to itself.
    func standAside(for slug: Slug) async {
        while queue.isWorking(slug) {
            await withCheckedContinuation { leaving[slug, default: []].append($0) }
        }
    }
}

extension Reconciler {
    /// The same settings, with which an operation waits until its brand is left alone, and says when it has
    /// left the brand: whatever kept failing may work now.
    nonisolated func makingWay(in settings: SagaExecutor.Settings) -> SagaExecutor.Settings {
        var settings = settings
        settings.willWork = { subject in
            guard let slug = try? Slug(subject) else { return }
            await self.standAside(for: slug)
        }
        settings.didWork = { subject in
            if let slug = try? Slug(subject) { self.poke(slug) }
        }
        return settings
    }
}

// MARK: - What comes in

extension Reconciler {
    /// Queues the brands that the inbox names; returns whether all are to be looked at.
    private func read() -> Bool {
        let contents = inbox.take()
        for slug in contents.signals.sorted() { queue.add(slug) }
        for slug in contents.pokes.sorted() {
            lifted.insert(slug)
            queue.add(slug, first: true)
        }
        return contents.isResyncDue
    }

    /// Takes the supervisor's signals. One that is missed is made good by the next look at all brands.
    private func follow(_ changes: UnitChanges) async {
        for await name in changes {
            guard let slug = Slug(unitName: name) else { continue }
            inbox.put { $0.signals.insert(slug) }
        }
    }

    private func lookAtAll() async {
        do {
            try await look()
        } catch {
            if !Task.isCancelled {
                measures.failedPasses.increment()
                logger.warning("could not look at all brands: \(error)")
            }
        }
        isLooking = false
        inbox.put()
    }

    /// Queues every brand that is not as it was left, at the cost of one statement and one request to Redis
    /// for a page of brands. Without Redis, all but its users is looked at.
    private func look() async throws {
        let start = ContinuousClock.now
        let statuses = await path.instances.supervisor.statuses()
        var found: Set<Slug> = []
        var quarantined = 0
        var failure: (any Error)?
        var page: [Outlook] = []
        repeat {
            page = try await store.outlooks(after: page.last?.slug.text ?? "", limit: Reconciler.pageSize)
            var users: [Slug: StreamUserDefinition?]?
            do { users = try await path.streamUsers.definitions(of: page.map(\.slug)) } catch {
                failure = error
            }
            for outlook in page {
                let slug = outlook.slug
                found.insert(slug)
                // Also while one is tried again, or an alert would come and go with every try.
                if outlook.seen.quarantinedUntil != nil { quarantined += 1 }
                let sight = ReconcilerPath.Sight(
                    status: statuses[slug.unitName], user: users.map { $0[slug] ?? nil })
                if !path.isAsMeant(outlook, since: settled[slug], sight) { queue.add(slug) }
            }
        } while page.count == Reconciler.pageSize
        // Of a brand that an operation changes, nothing is taken for granted afterwards.
        settled = settled.filter { found.contains($0.key) }
        do { try await path.hidePurged(beside: found) } catch { failure = failure ?? error }
        measures.quarantined.record(quarantined)
        if let failure { throw failure }
        measures.passes.recordSeconds((ContinuousClock.now - start).inSeconds)
    }
}

// MARK: - Working on one brand

extension Reconciler {
    private func work(on slug: Slug) async {
        let isLifted = lifted.remove(slug) != nil
        let before = settled[slug]
        do {
            settled[slug] = try await limited(slug) { [path] in
                try await path.reconcile(slug, since: before, isLifted: isLifted)
            }
        } catch {
            settled[slug] = nil
            // A task that was cancelled says nothing about the brand.
            if !Task.isCancelled { await note(error, of: slug) }
        }
        queue.end(slug)
        for waiting in leaving.removeValue(forKey: slug) ?? [] { waiting.resume() }
        inbox.put()
    }

    private func note(_ error: any Error, of slug: Slug) async {
        do {
            try await path.fail(slug, error)
        } catch let second {
            logger.warning(
                "could not reconcile a brand, nor note it: \(error); \(second)",
                metadata: ["brand": "\(slug)"])
        }
    }

    /// Runs `body` for as long as the work on a brand may take; then it is cancelled, and its lane is free
    /// whether or not it ends.
    private func limited<Value: Sendable>(
        _ slug: Slug, _ body: @escaping @Sendable () async throws -> Value?
    ) async throws -> Value? {
        try await withThrowingTaskGroup(of: (isOver: Bool, value: Value?).self) { group in
            group.addTask { (false, try await body()) }
            group.addTask { [pauses] in
                try await pauses.sleep(for: Reconciler.limit)
                return (true, nil)
            }
            defer { group.cancelAll() }
            let first = try await group.next()
            if let first, !first.isOver { return first.value }
            group.cancelAll()
            queue.release(slug)
            inbox.put()
            _ = await group.nextResult()
            throw Fault(
                .unavailable, doing: "bring the brand to what is meant",
                "it took longer than \(Reconciler.limit.components.seconds) s")
        }
    }
}
