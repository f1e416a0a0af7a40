import Contract
import Events
import Hummingbird
import Kernel
import ServiceLifecycle
import Web

/// `/api/events/feed`: committed events in the order of their commits, page by page or as they come.
struct EventFeedRoutes: Sendable {
    /// How often a live feed looks for what is new.
    private static let period = Duration.milliseconds(250)
    private static let doing = "read the feed of events"

    /// Events that a live feed reads at a time: all of its readers hold so many in memory.
    private static let liveEvents = 20
    /// How long a user's live feed lasts, whose token is not looked at again: as long as the token.
    private static let longestOfUser = Duration.seconds(600)

    let feed: EventFeedStore
    let brand: BrandFollower
    let clock: any WallClock
    let streams = EventStreams()

    func add(to router: RouterGroup<WebContext>) {
        router.get("events/feed", use: page)
        router.get("events/feed/live", use: follow)
    }

    @Sendable private func page(_ request: Request, _ context: WebContext) async throws -> Response {
        let (filter, _) = try filter(request, context)
        let limit = try request.pageLimit(doing: EventFeedRoutes.doing)
        let cursor = try await cursor(request.query("cursor"))
        let page = try await feed.page(filter, behind: cursor, limit: limit, doing: EventFeedRoutes.doing)
        return WebResponse.page(documents: page.events.map(\.json), nextCursor: "\(page.next)")
    }

    /// Server-sent events, one for each event, whose id is the cursor behind it. A client that comes again
    /// sends the last as `Last-Event-ID`, and misses none.
    @Sendable private func follow(_ request: Request, _ context: WebContext) async throws -> Response {
        let (filter, principal) = try filter(request, context)
        let sent = request.headers[.lastEventID].flatMap { $0.isEmpty ? nil : $0 } ?? request.query("cursor")
        let start = try await cursor(sent)
        // What is wrong with the cursor is said before the stream begins.
        _ = try await feed.page(filter, behind: start, limit: 1, doing: EventFeedRoutes.doing)
        let limit = EventFeedRoutes.liveEvents
        return try streams.open(doing: EventFeedRoutes.doing) { [self] events in
            let deadline = ContinuousClock.now + longest(for: principal)
            var (cursor, spoke) = (start, ContinuousClock.now)
            // The client learns at once that it is heard, also when nothing comes for a while.
            try await events.heartbeat()
            while !Task.isShuttingDownGracefully, .now < deadline, mayRead(principal) {
                let page = try await feed.page(
                    filter, behind: cursor, limit: limit, doing: EventFeedRoutes.doing)
                for event in page.events {
                    try await events.send("event", id: "\(event.position)", text: event.json)
                    spoke = .now
                }
                cursor = page.next
                if ContinuousClock.now - spoke >= EventStreams.heartbeat {
                    try await events.heartbeat()
                    spoke = .now
                }
                if page.isLast { try await Task.sleep(for: EventFeedRoutes.period) }
            }
        }
    }

    private func longest(for principal: Principal) -> Duration {
        if case .user = principal.kind { EventFeedRoutes.longestOfUser } else { EventStreams.longest }
    }

    /// Whether a key still works, and its brand is open, while its stream goes on.
    private func mayRead(_ principal: Principal) -> Bool {
        guard case .key(let publicID) = principal.kind else { return true }
        guard let projection = try? brand.projection(), let key = projection.keys[publicID] else {
            return false
        }
        return key.works(at: clock.now()) && (try? projection.requireOpen(doing: "")) != nil
    }

    private func filter(
        _ request: Request, _ context: WebContext
    ) throws -> (EventFeedStore.Filter, Principal) {
        let doing = EventFeedRoutes.doing
        let principal = try context.require(.eventsRead, doing: doing)
        var filter = EventFeedStore.Filter()
        filter.type = try request.eventType(doing: doing)
        filter.profile = try request.profile(doing: doing)
        if let text = request.query("test") {
            guard let isAsked = Bool(text) else {
                throw Fault(.invalid, doing: doing, "expected true or false", field: "test")
            }
            filter.areTestsShown = isAsked
        }
        return (filter, principal)
    }

    /// A position, or `newest`; nil for the oldest event that is kept.
    private func cursor(_ text: String?) async throws -> Int64? {
        guard let text else { return nil }
        if text == "newest" { return try await feed.newest() }
        guard let position = Int64(text), position >= 0 else {
            throw Fault(
                .invalid, doing: EventFeedRoutes.doing,
                "expected the nextCursor of an earlier page, or newest", field: "cursor")
        }
        return position
    }
}

extension Request {
    /// The type of events that a list is narrowed to.
    func eventType(doing: String) throws(Fault) -> EventType? {
        guard let name = query("type") else { return nil }
        guard let type = EventType(rawValue: name) else {
            throw Fault(.invalid, doing: doing, "there is no type '\(name)'", field: "type")
        }
        return type
    }

    /// The profile whose things a list is narrowed to.
    func profile(doing: String) throws(Fault) -> ProfileID? {
        guard let text = query("profile") else { return nil }
        guard let profile = ProfileID(text) else {
            throw Fault(.invalid, doing: doing, "expected a UUID", field: "profile")
        }
        return profile
    }
}
