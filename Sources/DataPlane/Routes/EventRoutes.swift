import Contract
import Customers
import Events
import Foundation
import Hummingbird
import Kernel
import NIOCore
import Web

/// `/api/events`: events in, one or many, and stored events out.
struct EventRoutes: Sendable {
    /// How long `Prefer: wait` waits for the commit before it answers 202 after all.
    static let waitTimeout = Duration.seconds(5)
    /// The source of events that come by the API.
    static let source = "api"
    private static let accepting = EventAcceptance.doing

    let acceptance: EventAcceptance
    let commits: CommitWatch
    let stored: EventListStore
    let profiles: ProfileListStore

    func add(to router: RouterGroup<WebContext>) {
        router.post("events", use: acceptOne)
        router.post("events/batch", use: acceptBatch)
        router.get("events", use: list)
        router.get("events/:id", use: show)
    }

    @Sendable private func acceptOne(_ request: Request, _ context: WebContext) async throws -> Response {
        let reader = try reader(context)
        let body = try await request.decodedBody(upTo: EventLimits.eventBytes, doing: EventRoutes.accepting)
        let seed = try EventRequest.idempotencyKey(request)
        let event: Event
        do {
            let text = try EventRequest.document(body)
            event = try reader.event(text, fallbackKey: acceptance.key(seed, 0))
        } catch {
            acceptance.events.countRejected(1)
            throw error
        }
        let positions = try await acceptance.accept([event], context)
        // A page reads nothing: it does not wait for the profile.
        let waits = EventRequest.prefersWaiting(request) && context.principal?.isBrowser != true
        if waits, let position = positions.first,
            await commits.wait(for: position, timeout: EventRoutes.waitTimeout)
        {
            return try await answer(toCommitted: event)
        }
        return try WebResponse.json(
            EventVerdict(index: 0, outcome: .accepted, eventId: event.key), status: .accepted)
    }

    /// The profile that a committed event was placed on; without a body where it belongs to nobody.
    private func answer(toCommitted event: Event) async throws -> Response {
        switch try await stored.place(ofKey: event.key, source: event.source) {
        case .profile(let id):
            guard let profile = try await profiles.show(id) else { return WebResponse.empty() }
            return WebResponse.json(text: ByteBuffer(string: profile))
        case .nobody:
            return WebResponse.empty()
        case .notStored:
            throw Fault(
                .invalid, doing: "store the event",
                "it was accepted, and could not be stored; it is kept as a dead letter")
        }
    }

    @Sendable private func acceptBatch(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try context.requireSender(doing: EventRoutes.accepting)
        let body = try await request.decodedBody(upTo: EventLimits.bodyBytes, doing: EventRoutes.accepting)
        let sent = try EventRequest.batch(body, contentType: request.headers[.contentType])
        try acceptance.foresee(sent.events.count, context)
        let reader = try reader(context, sentAt: sent.sentAt)
        let seed = try EventRequest.idempotencyKey(request)
        var accepted: [Event] = []
        var results: [EventVerdict] = []
        for (index, item) in sent.events.enumerated() {
            do {
                let event = try reader.event(try item.get(), fallbackKey: acceptance.key(seed, index))
                accepted.append(event)
                results.append(EventVerdict(index: index, outcome: .accepted, eventId: event.key))
            } catch {
                let fault = Fault.wrapping(error, doing: EventRoutes.accepting)
                results.append(
                    EventVerdict(
                        index: index, outcome: .rejected, eventId: nil, error: fault.detail,
                        field: fault.field))
            }
        }
        acceptance.events.countRejected(results.count - accepted.count)
        _ = try await acceptance.accept(accepted, context)
        let answer = BatchAnswer(
            accepted: accepted.count, rejected: results.count - accepted.count, results: results)
        return try WebResponse.json(answer, status: .accepted)
    }

    /// A reader for this caller's events.
    private func reader(_ context: WebContext, sentAt: Timestamp? = nil) throws -> EventReader {
        EventReader(
            sender: try acceptance.sender(EventRoutes.source, context), receivedAt: acceptance.clock.now(),
            sentAt: sentAt)
    }

    @Sendable private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "list the events"
        _ = try context.require(.eventsRead, doing: doing)
        var filter = EventListStore.Filter()
        filter.type = try request.eventType(doing: doing)
        filter.profile = try request.profile(doing: doing)
        let limit = try request.pageLimit(doing: doing)
        let found = try await stored.list(
            filter, behind: try request.pageCursor(doing: doing), limit: limit + 1)
        return WebResponse.page(found, limit: limit)
    }

    @Sendable private func show(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "show the event"
        _ = try context.require(.eventsRead, doing: doing)
        guard let id = EventID(try context.parameter("id")), let json = try await stored.show(id) else {
            throw Fault(.notFound, doing: doing, "there is no event of this id")
        }
        return WebResponse.json(text: ByteBuffer(string: json))
    }
}
