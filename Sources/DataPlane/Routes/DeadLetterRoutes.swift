import Contract
import Events
import HTTPTypes
import Hummingbird
import Kernel
import Web

/// `/api/dead-letters`: events that could not be stored, to be looked at, replayed or discarded.
struct DeadLetterRoutes: Sendable {
    static let listing = "list the dead letters"

    let letters: DeadLetters

    func add(to router: RouterGroup<WebContext>) {
        router.get("dead-letters", use: list)
        router.get("dead-letters/:id", use: show)
        router.delete("dead-letters/:id", use: discard)
        router.post("dead-letters/:id/replay", use: replay)
        router.post("dead-letters/replay") { request, context in
            try await sweep(request, context, doing: "replay the dead letters", letters.replay)
        }
        router.post("dead-letters/discard") { request, context in
            try await sweep(request, context, doing: "discard the dead letters", letters.discard)
        }
    }

    @Sendable private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = DeadLetterRoutes.listing
        _ = try context.require(.eventsRead, doing: doing)
        let limit = try request.pageLimit(doing: doing)
        let after = try request.streamCursor(doing: doing)
        let found = try await letters.list(after: after, limit: limit + 1)
        return WebResponse.page(
            documents: found.prefix(limit).map { $0.json(whole: false) },
            nextCursor: found.count > limit ? found[limit - 1].id : nil)
    }

    @Sendable private func show(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "show the dead letter"
        _ = try context.require(.eventsRead, doing: doing)
        let letter = try await letter(context, doing: doing)
        return WebResponse.json(text: ByteBuffer(string: letter.json(whole: true)))
    }

    @Sendable private func discard(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "discard the dead letter"
        _ = try context.require(.eventsWrite, doing: doing)
        let letter = try await letter(context, doing: doing)
        try await letters.discard([letter])
        context.logger.notice("a dead letter was discarded", metadata: ["id": "\(letter.id)"])
        return WebResponse.empty()
    }

    /// As it is where there is no body, or as `event` in the body says.
    @Sendable private func replay(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "replay the dead letter"
        _ = try context.require(.eventsWrite, doing: doing)
        let body = try await request.wholeBody(upTo: EventLimits.eventBytes + 64, doing: doing)
        let letter = try await letter(context, doing: doing)
        var event: Event?
        if body.readableBytes > 0 {
            event = try letters.corrected(letter, by: corrected(Array(body.readableBytesView), doing: doing))
        }
        try await letters.replay(letter, as: event)
        return try WebResponse.json(DeadLetterProgress(count: 1, after: nil, left: 0), status: .accepted)
    }

    private func corrected(_ bytes: [UInt8], doing: String) throws -> JSONText {
        let document = try EventRequest.document(bytes)
        guard document.kind == .object else { throw Fault(.invalid, doing: doing, "expected a JSON object") }
        var event: JSONText?
        for (name, value) in document.members {
            guard name == "event", event == nil else {
                throw Fault(.invalid, doing: doing, "the body has the one field 'event'", field: name)
            }
            event = value
        }
        guard let event else { throw Fault(.invalid, doing: doing, "expected the event", field: "event") }
        return event
    }

    private func sweep(
        _ request: Request, _ context: WebContext, doing: String,
        _ deal: (DeadLetters.Selection) async throws -> DeadLetters.Progress
    ) async throws -> Response {
        _ = try context.require(.eventsWrite, doing: doing)
        let body = try await request.decode(DeadLetterSelection.self, doing: doing)
        var selection = DeadLetters.Selection()
        if let type = body.type, EventType(rawValue: type) == nil {
            throw Fault(.invalid, doing: doing, "there is no type '\(type)'", field: "type")
        }
        if let after = body.after, EventStream.Position(after) == nil {
            throw Fault(.invalid, doing: doing, "expected 'after' of an earlier answer", field: "after")
        }
        if let atMost = body.atMost, atMost < 1 {
            throw Fault(.invalid, doing: doing, "expected 1 or more", field: "atMost")
        }
        (selection.reason, selection.type) = (body.reason, body.type)
        (selection.after, selection.atMost) = (body.after, body.atMost)
        let progress = try await deal(selection)
        context.logger.notice("dealt with dead letters", metadata: ["count": "\(progress.count)"])
        return try WebResponse.json(
            DeadLetterProgress(count: progress.count, after: progress.after, left: progress.left),
            status: .accepted)
    }

    private func letter(_ context: WebContext, doing: String) async throws -> DeadLetter {
        let id = try context.parameter("id")
        guard EventStream.Position(id) != nil, let letter = try await letters.show(id) else {
            throw Fault(.notFound, doing: doing, "there is no dead letter of this id")
        }
        return letter
    }
}

extension Request {
    /// The `cursor` of a list of a stream's entries, which is an entry's id; nil on the first page.
    func streamCursor(doing: String) throws -> String? {
        guard let cursor = query("cursor") else { return nil }
        guard EventStream.Position(cursor) != nil else {
            throw Fault(.invalid, doing: doing, "expected the nextCursor of an earlier page", field: "cursor")
        }
        return cursor
    }
}
