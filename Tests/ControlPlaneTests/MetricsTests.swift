import Contract
import Foundation
import Kernel
import ServiceLifecycle
import Testing
import TestSupport
import Web

@testable import ControlPlane

@Suite("What the fleet measures")
struct MetricsTests {
    @Test("running instances' series have their brand, and who does not answer is down")
    func fleet() async throws {
        try await TestPlane.with { test in
            let (up, down) = (try TestPlane.slug(), try TestPlane.slug())
            for slug in [up, down] { try await test.provision(slug, plan: "pro") }
            let absent = try await test.reserve()
            let router = WebRouter(context: WebContext.self)
            router.get("metrics") { _, _ in
                var text = MetricsText()
                text.add(MetricFamily("constintel_events_accepted_total", .counter, help: "Events.", 7))
                for family in ProcessMetrics.families() { text.add(family) }
                return text.response
            }
            try await test.serving(router, as: up) {
                let text = try await test.metrics()
                let lines = Set(text.split(separator: "\n"))
                for line in [
                    #"constintel_instance_up{brand="\#(up)"} 1"#,
                    #"constintel_instance_up{brand="\#(down)"} 0"#,
                    #"constintel_events_accepted_total{brand="\#(up)"} 7"#,
                    #"constintel_brands{status="active"} 2"#, #"constintel_brands{status="provisioning"} 1"#,
                    #"constintel_operations_open{state="pending"} 1"#,
                    #"constintel_operations_open{state="stuck"} 0"#,
                    #"constintel_units{state="ready"} 2"#, "constintel_control_database_up 1",
                    #"constintel_unit_restarts_total{unit="constintel-instance@\#(up)"} 0"#,
                    #"constintel_postgres_connections_limit{pool="brands"} 6"#,
                ] { #expect(lines.contains(line[...]), "\(line)\n\(text)") }
                #expect(!text.contains("brand=\"\(absent)\""))
                #expect(text.components(separatedBy: "# TYPE process_open_fds gauge").count == 2)
                #expect(text.components(separatedBy: "\nprocess_open_fds").count == 3)
                #expect(try await Promtool.complaints(about: text).isEmpty)
            }
        }
    }

    @Test("a brand that is stopped is neither asked nor down")
    func stopped() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            try await test.supervisor.stop(slug.unitName)
            #expect(!(try await test.metrics().contains("brand=\"\(slug)\"")))
        }
    }

    @Test("the metrics are for admins, operators and the operator on this machine, and for nobody else")
    func access() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let table: [(UserRole, String?, Int)] = [
                (.admin, nil, 200), (.operator, nil, 200), (.brandOwner, slug.text, 403),
                (.brandUser, slug.text, 403),
            ]
            for (role, brand, status) in table {
                let email = "\(role.rawValue)@example.com"
                let token = try await test.login(role, brand: brand, email: email).accessToken
                #expect(try await test.call(.get, "/metrics", token: token).status == status, "\(role)")
            }
            #expect(try await test.call(.get, "/metrics", token: "").status == 401)
            #expect(try await test.call(.get, "/metrics").status == 200)
        }
    }

    @Test("with the control database broken the rest is still told")
    func databaseAway() async throws {
        try await TestPlane.with { test in
            try await test.asOwner { try await $0.run("alter table brand rename to brand_gone") }
            let text = try await test.metrics()
            try await test.asOwner { try await $0.run("alter table brand_gone rename to brand") }
            #expect(text.contains("constintel_control_database_up 0"))
            #expect(text.contains("process_cpu_seconds_total ") && !text.contains("constintel_brands"))
        }
    }
}

extension TestPlane {
    /// What the control plane tells Prometheus.
    func metrics() async throws -> String {
        let answer = try await call(.get, "/metrics")
        #expect(answer.status == 200)
        return String(decoding: answer.body, as: UTF8.self)
    }

    /// Runs `body` while `router` serves on the socket of a brand's instance.
    fileprivate func serving(_ router: WebRouter, as slug: Slug, _ body: () async throws -> Void) async throws
    {
        let (ready, readiness) = AsyncStream.makeStream(of: Void.self)
        let path = foundations.layout.socket(slug)
        let server = WebServer(
            router: router, listener: .path(path, mode: 0o600), logger: TestPlane.silent
        ) { readiness.finish() }
        let group = ServiceGroup(services: [server], logger: TestPlane.silent)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            for await _ in ready {}
            let result: Result<Void, any Error>
            do { result = .success(try await body()) } catch { result = .failure(error) }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            try result.get()
        }
    }
}
