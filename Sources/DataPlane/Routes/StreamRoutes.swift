import Contract
import Events
import Hummingbird
import Kernel
import NIOCore
import Web

/// `/api/streams` and `/api/monitoring/queues`: what is on its way into the tables, and what did not arrive.
struct StreamRoutes: Sendable {
    let stream: EventStream
    let gate: IntakeGate
    let letters: DeadLetters
    let operations: OperationStore

    func add(to router: RouterGroup<WebContext>) {
        router.get("streams/info", use: info)
        router.get("streams/:name", use: read)
        router.get("monitoring/queues", use: queues)
    }

    @Sendable private func info(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try context.require(.statsRead, doing: "describe the streams")
        let oldest = try await letters.list(after: nil, limit: 1).first
        return try WebResponse.json(
            StreamsView(items: [
                .init(
                    name: "events", length: try await stream.length(), limit: gate.maximumWaiting,
                    oldestAt: try await stream.oldestAt()),
                .init(
                    name: "dead-letters", length: try await stream.deadLetters(), limit: DeadLetters.maximum,
                    oldestAt: oldest?.refusedAt),
            ]))
    }

    @Sendable private func read(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "read the stream"
        _ = try context.require(.eventsRead, doing: doing)
        let limit = try request.pageLimit(doing: doing)
        let after = try request.streamCursor(doing: doing)
        let found: [(id: String, json: String)]
        switch try context.parameter("name") {
        case "events": found = try await stream.shown(limit + 1, behind: after)
        case "dead-letters":
            found = try await letters.list(after: after, limit: limit + 1)
                .map { ($0.id, $0.json(whole: true)) }
        case let name:
            throw Fault(
                .notFound, doing: doing, "there is no stream '\(name)'; there are events and dead-letters")
        }
        return WebResponse.page(
            documents: found.prefix(limit).map(\.json),
            nextCursor: found.count > limit ? found[limit - 1].id : nil)
    }

    @Sendable private func queues(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try context.require(.statsRead, doing: "read the queues")
        return try WebResponse.json(
            QueuesView(
                waiting: try await stream.length(), oldestWaitingAt: try await stream.oldestAt(),
                deadLetters: try await stream.deadLetters(), operations: try await operations.counts()))
    }
}
