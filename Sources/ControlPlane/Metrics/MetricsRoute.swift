import Hummingbird
import Kernel
import Postgres
import Supervision
import Web

/// `/metrics`: what the daemon and its running instances measure, as one text for Prometheus.
///
/// For who may read the platform: the operator on this machine, and users who are admins or operators.
struct MetricsRoute: Sendable {
    private static let help = HTTPMetrics.help.merging(Reconciler.Measures.help) { $1 }
        .merging(RunawayWatch.help) { $1 }

    let registry: MetricsRegistry
    let supervisor: any Supervisor
    let scrape: InstanceScrape
    let fleet: FleetStore
    let backups: BackupFactsStore
    let clock: any WallClock
    /// By the name that tells them apart.
    let pools: [(name: String, pool: PostgresPool)]

    func add(to router: WebRouter, authentication: Authentication) {
        router.group("metrics").add(middleware: AuthenticationMiddleware(authentication: authentication))
            .get { _, context in
                let doing = "read the metrics"
                try context.authenticated(doing: doing).require(.readPlatform, doing: doing)
                return await text().response
            }
    }

    private func text() async -> MetricsText {
        let units = await supervisor.statuses()
        async let answers = scrape.answers(of: units)
        async let counted = counted()
        var text = MetricsText()
        var families = registry.families(help: MetricsRoute.help) + ProcessMetrics.families()
        families += MetricsRoute.families(of: units)
        families += await MetricFamily.pools(readings())
        families += await counted
        let instances = await answers
        families.append(
            MetricFamily(
                "constintel_instance_up", .gauge,
                help: "Whether an instance that is meant to serve has answered with its metrics.",
                instances.map { (["brand": $0.slug.text], $0.text == nil ? 0 : 1) }))
        for family in families { text.add(family) }
        for case (let slug, let answer?) in instances { text.add(answer, labelled: "brand", slug.text) }
        return text
    }

    private static func families(of units: [String: UnitStatus]) -> [MetricFamily] {
        let states = UnitStatus.State.allCases.map { state in
            (state.rawValue, Double(units.values.count { $0.state == state }))
        }
        let restarts = units.sorted { $0.key < $1.key }.map { ($0.key, Double($0.value.restarts)) }
        return [
            MetricFamily(
                "constintel_units", .gauge, help: "Supervised processes by state.",
                states.map { (["state": $0], $1) }),
            MetricFamily(
                "constintel_unit_restarts_total", .counter,
                help: "Times that a process was started again, since it was first started or adopted.",
                restarts.map { (["unit": $0], $1) }),
        ]
    }

    private func readings() async -> [PoolReading] {
        var readings: [PoolReading] = []
        for (name, pool) in pools {
            let now = await pool.occupancy
            readings.append(
                PoolReading(
                    name: name, used: now.used, idle: now.idle, limit: now.maximum, waiting: now.waiting,
                    refusals: now.refusals))
        }
        return readings
    }

    private func backupFamilies(_ brands: [BackupFactsStore.Facts]) -> [MetricFamily] {
        let now = clock.now()
        let scheduled = brands.filter { $0.everyHours != nil }
        return [
            MetricFamily(
                "constintel_backups_overdue", .gauge,
                help: "Brands without a backup for twice as long as their plan says.",
                Double(brands.count { $0.isOverdue(at: now) })),
            MetricFamily(
                "constintel_backups_failing", .gauge, help: "Brands whose last backup failed.",
                Double(brands.count { $0.failure != nil })),
            MetricFamily(
                "constintel_backup_slowest_seconds", .gauge,
                help: "How long the longest of brands' last backups took.",
                brands.compactMap(\.tookSeconds).max() ?? 0),
            MetricFamily(
                "constintel_backup_oldest_seconds", .gauge,
                help: "Age of the oldest of brands' last backups, of those that are backed up by themselves.",
                scheduled.map { (now - ($0.last ?? $0.createdAt)).inSeconds }.max() ?? 0),
            MetricFamily(
                "constintel_backup_drills_failed", .gauge,
                help: "Brands whose last tried backup was not what was written.",
                Double(brands.count { $0.drillFailure != nil })),
            MetricFamily(
                "constintel_backup_drills_overdue", .gauge,
                help: "Brands with a backup, none of which was tried for two weeks.",
                Double(brands.count { $0.isDrillOverdue(at: now) })),
        ]
    }

    /// What the control database knows; only that it is away when it is.
    private func counted() async -> [MetricFamily] {
        let name = "constintel_control_database_up"
        let help = "Whether the control database has answered."
        do {
            return [
                MetricFamily(
                    "constintel_brands", .gauge, help: "Brands by status.",
                    try await fleet.brands().sorted { $0.key < $1.key }.map {
                        (["status": $0], Double($1))
                    }),
                MetricFamily(
                    "constintel_operations_open", .gauge,
                    help: "Operations that are not over, by state; what is stuck waits for a person.",
                    try await fleet.openOperations().sorted { $0.key < $1.key }.map {
                        (["state": $0], Double($1))
                    }),
                MetricFamily(name, .gauge, help: help, 1),
            ] + backupFamilies(try await backups.all())
        } catch {
            return [MetricFamily(name, .gauge, help: help, 0)]
        }
    }
}
