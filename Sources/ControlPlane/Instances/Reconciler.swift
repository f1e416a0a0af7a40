import CoreMetrics
import Kernel
import Logging
import Supervision

/// Moves what is towards what is meant: projections are written, Redis users exist, instances run.
///
/// A pass takes no input and is idempotent; it happens on a poke and with every period. What fails for one
/// brand is logged and tried again with the next pass, and does not keep the others.
actor Reconciler {
    /// How often it looks without being poked.
    static let period = Duration.seconds(5)
    /// How often the partitions of the coming months are looked at.
    static let partitionPeriod = Duration.seconds(6 * 3600)
    /// Brands that are worked on at the same time.
    static let parallel = 8
    private static let pageSize = 100

    private let instances: Instances
    private let streamUsers: StreamUsers
    private let clock: any WallClock
    private let pauses: any Clock<Duration>
    private let logger: Logger
    private let measures = Measures()
    /// What this process has projected, so that an unchanged brand costs nothing.
    private var projected: [Slug: Int64] = [:]
    private var partitioned: [Slug: Timestamp] = [:]
    private let looks: AsyncStream<Void>
    private let pokes: AsyncStream<Void>.Continuation

    init(
        instances: Instances, streamUsers: StreamUsers, clock: any WallClock,
        pauses: any Clock<Duration> = ContinuousClock(), logger: Logger
    ) {
        self.instances = instances
        self.streamUsers = streamUsers
        self.clock = clock
        self.pauses = pauses
        self.logger = logger
        (looks, pokes) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Says that something may have changed.
    nonisolated func poke() { pokes.yield() }

    /// Reconciles until its task is cancelled.
    func run() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { [pauses, pokes] in
                defer { pokes.finish() }
                while true {
                    pokes.yield()
                    try await pauses.sleep(for: Reconciler.period)
                }
            }
            for await _ in looks {
                let start = ContinuousClock.now
                do {
                    try await pass()
                    measures.passes.recordSeconds((ContinuousClock.now - start).inSeconds)
                } catch {
                    try Task.checkCancellation()
                    measures.failedPasses.increment()
                    logger.warning("could not reconcile: \(error)")
                }
            }
            group.cancelAll()
        }
    }

    /// Looks once at every brand that no operation is changing.
    func pass() async throws {
        let users = try await streamUsers.all()
        var cursor = ""
        while true {
            let page = try await instances.store.settled(after: cursor, limit: Reconciler.pageSize)
            await withDiscardingTaskGroup { group in
                for lane in 0..<min(Reconciler.parallel, page.count) {
                    group.addTask {
                        for index in stride(from: lane, to: page.count, by: Reconciler.parallel) {
                            await self.reconcile(page[index], users)
                        }
                    }
                }
            }
            guard page.count == Reconciler.pageSize, let last = page.last else { return }
            cursor = last.slug.text
        }
    }

    private func reconcile(_ instance: Instance, _ users: Set<String>) async {
        let slug = instance.slug
        do {
            if !users.contains(slug.redisUser) {
                let sealer = instances.files.sealer
                let password = try sealer.open(
                    instance.redisPassword, for: InstanceSecret.redisPassword.context(slug))
                try await streamUsers.define(slug, password: password)
            }
            if projected[slug] != instance.revision {
                try await instances.project(slug)
                projected[slug] = instance.revision
            }
            let due = partitioned[slug].map { clock.now() - $0 > Reconciler.partitionPeriod } ?? true
            if due {
                try await instances.tenants.ensurePartitions(slug)
                partitioned[slug] = clock.now()
            }
            try await observe(instance)
        } catch {
            measures.failedBrands.increment()
            logger.warning("could not reconcile a brand: \(error)", metadata: ["brand": "\(slug)"])
        }
    }

    /// Starts what is meant to run and is not there, and stops what is not meant to. A unit that fails is the
    /// supervisor's to start again.
    private func observe(_ instance: Instance) async throws {
        let state = await instances.supervisor.status(instance.slug.unitName)?.state
        switch instance.intent {
        case .running where state == nil || state == .stopped:
            logger.info("starting an instance", metadata: ["brand": "\(instance.slug)"])
            try await instances.start(instance)
        case .stopped where state != nil && state != .stopped:
            try await instances.stop(instance.slug)
        case .running, .stopped: break
        }
    }
}

extension Reconciler {
    /// What is measured of passes.
    struct Measures: Sendable {
        /// What the names mean.
        static let help = [
            "constintel_reconcile_pass_duration_seconds": "Passes over all brands that came to their end.",
            "constintel_reconcile_failures_total": "Passes that failed, and brands that failed within one.",
        ]

        let passes = Timer(label: "constintel_reconcile_pass_duration_seconds")
        let failedPasses = Counter(
            label: "constintel_reconcile_failures_total", dimensions: [("scope", "pass")])
        let failedBrands = Counter(
            label: "constintel_reconcile_failures_total", dimensions: [("scope", "brand")])
    }
}
