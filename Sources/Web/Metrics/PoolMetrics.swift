/// A pool of connections as it was found.
public struct PoolReading: Sendable {
    let name: String
    let used: Int
    let idle: Int
    let limit: Int
    let waiting: Int
    let refusals: Int

    /// - Parameters:
    ///   - used: connections that are lent, or being opened.
    ///   - limit: connections that may be open.
    ///   - waiting: callers who wait for one.
    ///   - refusals: callers who got none, since the start.
    public init(name: String, used: Int, idle: Int, limit: Int, waiting: Int, refusals: Int) {
        self.name = name
        self.used = used
        self.idle = idle
        self.limit = limit
        self.waiting = waiting
        self.refusals = refusals
    }
}

extension MetricFamily {
    /// The families of a process's pools of PostgreSQL connections.
    public static func pools(_ pools: [PoolReading]) -> [MetricFamily] {
        func each(_ value: (PoolReading) -> Int) -> [(labels: MetricLabels, value: Double)] {
            pools.map { (["pool": $0.name], Double(value($0))) }
        }
        return [
            MetricFamily(
                "constintel_postgres_connections", .gauge, help: "Open connections to PostgreSQL.",
                pools.map { (["pool": $0.name, "state": "used"], Double($0.used)) }
                    + pools.map { (["pool": $0.name, "state": "idle"], Double($0.idle)) }),
            MetricFamily(
                "constintel_postgres_connections_limit", .gauge,
                help: "Connections to PostgreSQL that may be open.", each(\.limit)),
            MetricFamily(
                "constintel_postgres_waiting", .gauge, help: "Callers who wait for a connection.",
                each(\.waiting)),
            MetricFamily(
                "constintel_postgres_refusals_total", .counter,
                help: "Callers who got no connection in time, or found too many waiting.", each(\.refusals)),
        ]
    }
}
