import Commerce
import Contract
import Events
import Hummingbird
import Kernel
import Postgres
import Web

/// `/api/monitoring`: the brand's totals, and how its instance is.
struct MonitoringRoutes: Sendable {
    /// Entries in the stream from which the writer counts as behind.
    static let behindEntries = 50_000

    let database: PostgresPool
    let stream: EventStream
    let gate: IntakeGate
    let brand: BrandFollower

    func add(to router: RouterGroup<WebContext>) {
        router.get("monitoring/stats", use: stats)
        router.get("monitoring/health", use: health)
    }

    @Sendable private func stats(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try context.require(.statsRead, doing: "read the totals")
        let totals = try await TotalsStore(database: database).totals()
        let projection = try brand.projection()
        let currency = projection.settings.currency
        return try WebResponse.json(
            StatsView(
                brandId: projection.brandID, profiles: totals.profiles, events: totals.events,
                orders: totals.orders,
                revenue: totals.converted, currency: currency,
                otherCurrencies: totals.revenue.filter { $0.key != currency },
                ordersWithoutRate: totals.withoutRate,
                waiting: Int64(try await stream.length())))
    }

    /// 200 when all is well, 503 otherwise; either way with each check.
    @Sendable private func health(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try context.require(.statsRead, doing: "read the instance's health")
        var checks: [String: String] = [:]
        checks["postgres"] = await check { try await database.run("select 1") }
        checks["redis"] = await check { _ = try await stream.length() }
        checks["projection"] = await check { _ = try brand.projection() }
        checks["disk"] = gate.isDiskNearlyFull ? "a disk that events are written to is nearly full" : "ok"
        checks["deadLetters"] = await check {
            let count = try await stream.deadLetters()
            guard count == 0 else {
                throw Fault(.unavailable, doing: "store every event", "\(count) events could not be stored")
            }
        }
        checks["writer"] =
            gate.waiting < MonitoringRoutes.behindEntries ? "ok" : "\(gate.waiting) events wait"
        let isWell = checks.values.allSatisfy { $0 == "ok" }
        return try WebResponse.json(
            HealthView(status: isWell ? "ok" : "degraded", checks: checks),
            status: isWell ? .ok : .serviceUnavailable)
    }

    private func check(_ body: () async throws -> Void) async -> String {
        do {
            try await body()
            return "ok"
        } catch {
            return Fault.wrapping(error, doing: "reach it").detail
        }
    }
}
