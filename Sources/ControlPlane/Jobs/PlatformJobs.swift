import Kernel
import Logging

extension Job {
    /// Every job that there is.
    static func all(
        _ instances: Instances, _ lifecycle: Lifecycle, _ idempotency: IdempotencyStore,
        _ tokens: RefreshTokenStore, _ metrics: (DailyMetrics, Markets), _ backups: Backups, logger: Logger
    ) -> [Job] {
        [
            partitions(instances, logger: logger), purge(lifecycle, logger: logger),
            trials(lifecycle, logger: logger), housekeeping(idempotency, tokens),
            self.metrics(metrics.0, metrics.1),
            retention(Retention(instances: instances, logger: logger)),
            self.backups(backups, logger: logger), drills(backups, logger: logger),
            formers(backups, logger: logger),
        ]
    }

    /// Makes the partitions of the coming twelve months in every brand's schema: an instance has no right to.
    static func partitions(_ instances: Instances, logger: Logger) -> Job {
        Job(
            name: "partitions", summary: "makes every brand's event partitions of the coming twelve months",
            every: .seconds(24 * 3600), everyByTimer: .seconds(24 * 3600)
        ) {
            var counts = ["brands": 0, "failed": 0]
            var cursor = ""
            while true {
                let page = try await instances.store.settled(after: cursor, limit: 100)
                guard let last = page.last else { break }
                cursor = last.slug.text
                for instance in page where instance.status != .deleted {
                    counts["brands", default: 0] += 1
                    do {
                        try await instances.tenants.ensurePartitions(instance.slug)
                    } catch {
                        try Task.checkCancellation()
                        counts["failed", default: 0] += 1
                        logger.warning(
                            "could not make a brand's partitions: \(error)",
                            metadata: ["brand": "\(instance.slug)"])
                    }
                }
            }
            if let failed = counts["failed"], failed > 0 {
                throw Fault(
                    .unavailable, doing: "make the partitions",
                    "\(failed) of \(counts["brands"] ?? 0) brands failed; the daemon's log says which")
            }
            return counts
        }
    }

    /// Begins to purge the deleted brands whose grace period has passed.
    static func purge(_ lifecycle: Lifecycle, logger: Logger) -> Job {
        Job(
            name: "purge", summary: "begins to purge deleted brands whose grace period has passed",
            every: .seconds(60)
        ) {
            ["brands": try await lifecycle.purgeDue(logger: logger)]
        }
    }

    /// Begins to suspend the brands whose trial has ended.
    static func trials(_ lifecycle: Lifecycle, logger: Logger) -> Job {
        Job(
            name: "trials", summary: "begins to suspend brands whose trial has ended", every: .seconds(300)
        ) {
            ["brands": try await lifecycle.endTrials(logger: logger)]
        }
    }

    /// Begins the backups that are due.
    static func backups(_ backups: Backups, logger: Logger) -> Job {
        Job(
            name: "backups", summary: "begins the backups that are due by brands' plans", every: .seconds(60)
        ) {
            [
                "control": try await backups.backUpControlDue(logger: logger) ? 1 : 0,
                "brands": try await backups.backUpDue(logger: logger),
            ]
        }
    }

    /// Begins the drills that are due.
    static func drills(_ backups: Backups, logger: Logger) -> Job {
        Job(
            name: "drills", summary: "begins to restore backups beside their brands, weekly, and compares",
            every: .seconds(3600)
        ) {
            ["brands": try await backups.verifyDue(logger: logger)]
        }
    }

    /// Drops what a restore has put aside.
    static func formers(_ backups: Backups, logger: Logger) -> Job {
        Job(
            name: "formers", summary: "drops what restores have put aside, once its time is over",
            every: .seconds(3600), everyByTimer: .seconds(24 * 3600)
        ) {
            ["schemas": try await backups.dropFormers(logger: logger)]
        }
    }

    /// Folds the months of events that brands do not want to keep any more.
    static func retention(_ retention: Retention) -> Job {
        Job(
            name: "retention", summary: "folds months of events that are older than their brand keeps them",
            every: .seconds(24 * 3600), everyByTimer: .seconds(24 * 3600),
            plan: { try await retention.plan() }
        ) {
            try await retention.run()
        }
    }

    /// Forgets what has expired.
    static func housekeeping(_ idempotency: IdempotencyStore, _ tokens: RefreshTokenStore) -> Job {
        Job(
            name: "housekeeping", summary: "forgets idempotency keys and refresh tokens that have expired",
            every: .seconds(3600), everyByTimer: .seconds(24 * 3600)
        ) {
            try await idempotency.purge()
            try await tokens.purge()
            return [:]
        }
    }

    /// Computes what brands came to on days that have ended, and what markets came to in months that have.
    ///
    /// A day ends at another hour in each time zone, so it looks hourly for brands that are due; each is due
    /// once a day.
    static func metrics(_ daily: DailyMetrics, _ markets: Markets) -> Job {
        Job(
            name: Job.metricsName,
            summary: "computes brands' figures of days that have ended, and markets' of months",
            every: .seconds(3600)
        ) {
            // A brand that cannot be read must not keep a market from being told of.
            let computed: Result<[String: Int], any Error>
            do { computed = .success(try await daily.computeDue()) } catch { computed = .failure(error) }
            try Task.checkCancellation()
            let told = try await markets.publishDue()
            return try computed.get().merging(told) { $1 }
        }
    }

    /// Whoever computes metrics holds this job: two at once would write over each other.
    static let metricsName = "metrics"
}
