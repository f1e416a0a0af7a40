import CoreMetrics
import HTTPTypes
import Hummingbird
import Synchronization

/// Records each request by its route, which is a template such as `/api/events/{id}` and never a path that
/// somebody has sent, by its method, and by the class of its status.
///
/// To be added before `FaultMiddleware`, so that faults are answers here. A request lasts until its answer
/// begins.
public struct HTTPMetrics: RouterMiddleware {
    /// What the names mean.
    public static let help = [
        "constintel_http_requests_total": "Requests that were answered.",
        "constintel_http_request_duration_seconds": "From a request's head to the beginning of its answer.",
        "constintel_http_requests_in_flight": "Requests that are being worked on.",
    ]

    /// What Hummingbird says is the route where there is none.
    private static let noRoute = "NotFound"

    private struct Endpoint: Hashable {
        let method: HTTPRequest.Method?
        let route: String?
        let statusClass: Int
    }

    private final class Recorders: Sendable {
        let known = Mutex<[Endpoint: (Counter, Timer)]>([:])
        let factory: any MetricsFactory
        let inFlight: Meter

        init(factory: any MetricsFactory) {
            self.factory = factory
            inFlight = Meter(label: "constintel_http_requests_in_flight", factory: factory)
        }
    }

    private let recorders: Recorders

    public init(factory: any MetricsFactory) { recorders = Recorders(factory: factory) }

    public func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        recorders.inFlight.increment()
        defer { recorders.inFlight.decrement() }
        let start = ContinuousClock.now
        let response = try await next(request, context)
        // Only a method that the route has is named: who tries all others makes one series of them.
        let route = context.endpointPath == HTTPMetrics.noRoute ? nil : context.endpointPath
        let isOther = route == nil || response.status == .methodNotAllowed
        let endpoint = Endpoint(
            method: isOther ? nil : request.method, route: route, statusClass: response.status.code / 100)
        let (counter, timer) = recorders(of: endpoint)
        counter.increment()
        timer.recordSeconds((ContinuousClock.now - start).inSeconds)
        return response
    }

    private func recorders(of endpoint: Endpoint) -> (Counter, Timer) {
        recorders.known.withLock { known in
            if let recorders = known[endpoint] { return recorders }
            let labels = [
                ("method", endpoint.method?.rawValue ?? "other"), ("route", endpoint.route ?? "none"),
            ]
            let made = (
                Counter(
                    label: "constintel_http_requests_total",
                    dimensions: labels + [("status", "\(endpoint.statusClass)xx")],
                    factory: recorders.factory),
                Timer(
                    label: "constintel_http_request_duration_seconds", dimensions: labels,
                    factory: recorders.factory)
            )
            known[endpoint] = made
            return made
        }
    }
}
