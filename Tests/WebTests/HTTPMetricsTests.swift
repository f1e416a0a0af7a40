import CoreMetrics
import Hummingbird
import HummingbirdTesting
import Kernel
import Logging
import Testing

@testable import Web

@Suite("Requests, measured")
struct HTTPMetricsTests {
    @Test("requests are counted by their route, never by what somebody has sent as a path or a method")
    func routes() async throws {
        let registry = MetricsRegistry()
        let router = WebRouter(context: WebContext.self)
        router.add(middleware: HTTPMetrics(factory: registry))
        router.add(
            middleware: FaultMiddleware(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
        router.get("things/:id") { _, context in
            guard try context.parameter("id") != "none" else {
                throw Fault(.notFound, doing: "show the thing", "there is none")
            }
            return WebResponse.empty()
        }
        router.refuseOtherMethods()
        try await Application(router: router).test(.router) { client in
            for id in 0..<50 { try await client.execute(uri: "/things/\(id)", method: .get) { _ in } }
            try await client.execute(uri: "/things/none", method: .get) { _ in }
            for path in ["/a", "/b/c", "/things/1/x"] {
                try await client.execute(uri: path, method: .get) { _ in }
            }
            for method in [HTTPRequest.Method.put, .delete] {
                try await client.execute(uri: "/things/1", method: method) { _ in }
            }
        }
        var text = MetricsText()
        for family in registry.families(help: HTTPMetrics.help) { text.add(family) }
        let lines = text.render().split(separator: "\n").map(String.init)
        let name = "constintel_http_requests_total"
        #expect(
            Set(lines.filter { $0.hasPrefix("\(name){") }) == [
                #"\#(name){method="GET",route="/things/{id}",status="2xx"} 50"#,
                #"\#(name){method="GET",route="/things/{id}",status="4xx"} 1"#,
                #"\#(name){method="other",route="none",status="4xx"} 3"#,
                #"\#(name){method="other",route="/things/{id}",status="4xx"} 2"#,
            ])
        let count = #"constintel_http_request_duration_seconds_count{method="GET",route="/things/{id}"} 51"#
        #expect(lines.contains(count) && lines.contains("constintel_http_requests_in_flight 0"))
    }
}
