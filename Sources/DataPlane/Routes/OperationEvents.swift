import Contract
import Events
import Hummingbird
import Kernel
import ServiceLifecycle
import Web

/// `GET /api/operations/:id/events`.
extension ImportRoutes {
    /// How often a followed operation is looked at.
    private static let period = Duration.milliseconds(250)

    /// Server-sent events: one `operation` for each change, the last with the final state.
    @Sendable func follow(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "follow the operation"
        _ = try context.require(.eventsRead, doing: doing)
        let first = try await operation(context, doing: doing)
        return try streams.open(doing: doing) { [operations] events in
            let deadline = ContinuousClock.now + EventStreams.longest
            var (view, spoke) = (first, ContinuousClock.now)
            try await events.send("operation", json: view)
            while !view.state.isFinal, !Task.isShuttingDownGracefully, .now < deadline {
                try await Task.sleep(for: ImportRoutes.period)
                guard let next = try await operations.show(view.id) else { return }
                if next.updatedAt != view.updatedAt || next.state != view.state {
                    try await events.send("operation", json: next)
                    spoke = .now
                } else if ContinuousClock.now - spoke >= EventStreams.heartbeat {
                    try await events.heartbeat()
                    spoke = .now
                }
                view = next
            }
        }
    }
}
