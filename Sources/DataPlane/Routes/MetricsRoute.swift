import Events
import Hummingbird
import Integrations
import Postgres
import Web

/// `/metrics`: what this instance measures, as text for Prometheus.
///
/// It asks for no credentials: only the control plane asks here, over the instance's socket. The edge, which
/// opens that socket too, passes this path on for no brand.
struct MetricsRoute: Sendable {
    private static let help = EventMetrics.help
        .merging(ImportMetrics.help) { $1 }
        .merging(HTTPMetrics.help) { $1 }

    let registry: MetricsRegistry
    let gate: IntakeGate
    /// By the name that tells them apart.
    let pools: [(name: String, pool: PostgresPool)]

    func add(to router: WebRouter) {
        router.get("metrics") { _, _ in await text().response }
    }

    private func text() async -> MetricsText {
        let waiting = MetricFamily(
            "constintel_stream_entries", .gauge, help: "Events that wait in the stream to be committed.",
            Double(gate.waiting))
        let limit = MetricFamily(
            "constintel_stream_entries_limit", .gauge, help: "Events that may wait in the stream.",
            Double(gate.maximumWaiting))
        var readings: [PoolReading] = []
        for (name, pool) in pools {
            let now = await pool.occupancy
            readings.append(
                PoolReading(
                    name: name, used: now.used, idle: now.idle, limit: now.maximum, waiting: now.waiting,
                    refusals: now.refusals))
        }
        var text = MetricsText()
        let families = registry.families(help: MetricsRoute.help) + MetricFamily.pools(readings)
        for family in families + [waiting, limit] + ProcessMetrics.families() { text.add(family) }
        return text
    }
}
