import Contract
import Hummingbird
import Kernel
import Redis
import Supervision
import Web

/// `/api/admin/platform`, `/api/admin/openapi.yaml`, and the probes `/healthz` and `/readyz`.
struct PlatformRoutes: Sendable {
    let environment: InstallationEnvironment
    let edge: String
    let supervisor: any Supervisor
    let control: ProbeStore
    let brands: ProbeStore
    let redis: RedisClient

    /// The supporting services; every other unit is a brand's instance.
    static let services = ["postgres", "redis", "nginx"]

    func add(to admin: RouterGroup<WebContext>) {
        admin.get("platform") { _, context in
            let doing = "show the platform"
            try context.authenticated(doing: doing).require(.readPlatform, doing: doing)
            let statuses = await supervisor.statuses()
            let services = PlatformRoutes.services.compactMap { name in
                statuses[name].map { (name, $0.state.rawValue) }
            }
            return try WebResponse.json(
                PlatformView(
                    environment: environment, edge: edge, release: Release.current,
                    services: Dictionary(uniqueKeysWithValues: services)))
        }
    }

    /// The probes and the API's description need no credentials, and tell nothing that needs any.
    func addProbes(to router: WebRouter) {
        router.get("api/admin/openapi.yaml") { _, _ in WebResponse.yaml(PackageResources.openapi_yaml) }
        router.get("healthz") { _, _ in try WebResponse.json(HealthView(status: "ok", checks: [:])) }
        router.get("readyz") { _, _ in
            let checks = [
                "controlDatabase": await check { try await control.probe() },
                "brandsDatabase": await check { try await brands.probe() },
                "redis": await check { _ = try await redis.send("PING") },
            ]
            let ready = checks.values.allSatisfy { $0 == "ok" }
            return try WebResponse.json(
                HealthView(status: ready ? "ok" : "degraded", checks: checks),
                status: ready ? .ok : .serviceUnavailable)
        }
    }

    private func check(_ probe: () async throws -> Void) async -> String {
        do {
            try await probe()
            return "ok"
        } catch {
            return "does not answer"
        }
    }
}

/// This release of ConstIntel.
package enum Release {
    package static let current = "0.1.0"
}
