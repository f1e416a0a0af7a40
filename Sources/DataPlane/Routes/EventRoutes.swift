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
    private static let accepting = "accept the events"

    let events: Events
    let commits: CommitWatch
    let stored: EventListStore
    let profiles: ProfileListStore
    let keys: (brand: BrandFollower, limits: KeyLimits)
    let clock: any WallClock

    func add(to router: RouterGroup<WebContext>) {
        router.post("events", use: acceptOne)
        router.post("events/batch", use: acceptBatch)
        router.get("events", use: list)
        router.get("events/:id", use: show)
    }

    @Sendable private func acceptOne(_ request: Request, _ context: WebContext) async throws -> Response {
        let reader = try reader(context)
        let body = try await request.wholeBody(upTo: EventLimits.eventBytes, doing: EventRoutes.accepting)
        let seed = try EventRequest.idempotencyKey(request)
        let event: Event
        do {
            let text = try EventRequest.document(Array(body.readableBytesView))
            event = try reader.event(text, fallbackKey: key(seed, 0))
        } catch {
            events.countRejected(1)
            throw error
        }
        let positions = try await accept([event], context)
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
        _ = try await request.readBeforeRefusal { try context.requireSender(doing: EventRoutes.accepting) }
        let body = try await request.wholeBody(upTo: EventLimits.bodyBytes, doing: EventRoutes.accepting)
        let sent = try EventRequest.batch(
            Array(body.readableBytesView), contentType: request.headers[.contentType])
        do {
            try events.foresee(sent.events.count)
        } catch {
            tellLimits(context)
            throw error
        }
        let reader = try reader(context, sentAt: sent.sentAt)
        let seed = try EventRequest.idempotencyKey(request)
        var accepted: [Event] = []
        var results: [EventVerdict] = []
        for (index, item) in sent.events.enumerated() {
            do {
                let event = try reader.event(try item.get(), fallbackKey: key(seed, index))
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
        events.countRejected(results.count - accepted.count)
        _ = try await accept(accepted, context)
        let answer = BatchAnswer(
            accepted: accepted.count, rejected: results.count - accepted.count, results: results)
        return try WebResponse.json(answer, status: .accepted)
    }

    /// Accepts `accepted`, and has the answer tell how much of the plan is left, also where it is a refusal.
    private func accept(_ accepted: [Event], _ context: WebContext) async throws -> [EventStream.Position] {
        defer { tellLimits(context) }
        if case .key(let publicID)? = context.principal?.kind, !accepted.isEmpty {
            let limit = try keys.brand.projection().keys[publicID]?.eventsPerSecond
            try keys.limits.admit(
                accepted.count, .events, of: publicID, perSecond: limit, telling: context.answerHeaders)
        }
        return try await events.accept(accepted)
    }

    private func tellLimits(_ context: WebContext) {
        let isTest = context.principal?.isTest ?? false
        context.answerHeaders.tell(events.quota.standing.limits(at: clock.now(), test: isTest))
    }

    /// The key of an event that brings none: by the request's `Idempotency-Key`, or minted.
    private func key(_ seed: String?, _ index: Int) -> String {
        seed.map { EventReader.key(seed: $0, index: index) } ?? UUIDv7(at: clock.now()).description
    }

    /// A reader for this caller's events.
    private func reader(_ context: WebContext, sentAt: Timestamp? = nil) throws -> EventReader {
        let principal = try context.requireSender(doing: EventRoutes.accepting)
        let sender =
            principal.isBrowser
            ? EventReader.Sender.browser : .init(source: EventRoutes.source, isTest: principal.isTest)
        return EventReader(sender: sender, receivedAt: clock.now(), sentAt: sentAt)
    }

    @Sendable private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "list the events"
        _ = try context.require(.eventsRead, doing: doing)
        var filter = EventListStore.Filter()
        if let name = request.query("type") {
            guard let type = EventType(rawValue: name) else {
                throw Fault(.invalid, doing: doing, "there is no type '\(name)'", field: "type")
            }
            filter.type = type
        }
        if let text = request.query("profile") {
            guard let profile = ProfileID(text) else {
                throw Fault(.invalid, doing: doing, "expected a UUID", field: "profile")
            }
            filter.profile = profile
        }
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
