import Contract
import HTTPTypes
import Hummingbird
import Kernel
import ServiceLifecycle
import Supervision
import Web

/// `/api/admin/instances/:slug/logs`.
struct LogRoutes: Sendable {
    let brands: Brands
    let instances: Instances
    let streams: EventStreams

    /// Lines on one page, and how many when nothing is asked for.
    static let pageLines = 1000
    static let defaultPageLines = 100
    /// Lines that a follower gets at once.
    private static let batch = 64

    func add(to admin: RouterGroup<WebContext>) {
        admin.get("instances/:slug/logs") { request, context in
            let doing = "read the instance's log"
            try context.authenticated(doing: doing).require(.operate, doing: doing)
            let brand = try await brands.brand(context.parameter("slug"), doing: doing)
            let limit = try request.lineLimit(doing: doing)
            let start = try request.logStart(limit, doing: doing)
            let reader = try await instances.log(brand.slug, from: start)
            guard try request.isFollowing(doing: doing) else { return try await page(reader, limit) }
            // What is wrong with the request is an answer of its own, not a stream that breaks off.
            let first = try await reader.next(LogRoutes.batch, within: .zero)
            return try follow(reader, first, doing: doing)
        }
    }

    /// A page; `nextCursor` is there when more has been written already.
    private func page(_ reader: any UnitLogReader, _ limit: Int) async throws -> Response {
        var entries: [LogEntry] = []
        while entries.count <= limit {
            let more = try await reader.next(limit + 1 - entries.count, within: .zero)
            if more.isEmpty { break }
            entries += more
        }
        let items = Array(entries.prefix(limit))
        return try WebResponse.json(
            Page(items: items, nextCursor: entries.count > limit ? items.last?.cursor : nil))
    }

    /// Server-sent events: one `log` for each line, whose id is its cursor, and an `end`.
    private func follow(
        _ reader: any UnitLogReader, _ first: [LogEntry], doing: String
    ) throws(Fault) -> Response {
        try streams.open(doing: doing) { events in
            let deadline = ContinuousClock.now + EventStreams.longest
            var entries = first
            while true {
                for entry in entries { try await events.send("log", id: entry.cursor, json: entry) }
                if Task.isShuttingDownGracefully {
                    return try await events.send("end", json: LogEnd(reason: "the daemon leaves"))
                }
                guard .now < deadline else {
                    return try await events.send("end", json: LogEnd(reason: "a stream lasts an hour"))
                }
                if entries.isEmpty { try await events.heartbeat() }
                entries = try await cancelWhenGracefulShutdown {
                    try await reader.next(LogRoutes.batch, within: EventStreams.heartbeat)
                }
            }
        }
    }
}

extension Request {
    fileprivate func lineLimit(doing: String) throws(Fault) -> Int {
        guard let text = query("limit") else { return LogRoutes.defaultPageLines }
        guard let limit = Int(text), (1...LogRoutes.pageLines).contains(limit) else {
            throw Fault(
                .invalid, doing: doing, "expected 1 to \(LogRoutes.pageLines) lines", field: "limit")
        }
        return limit
    }

    /// Where to begin: after `Last-Event-ID` or `cursor`, else at `since`, else at the last lines.
    fileprivate func logStart(_ limit: Int, doing: String) throws -> LogStart {
        let last = HTTPField.Name("Last-Event-ID").flatMap { headers[$0] }.flatMap { $0.isEmpty ? nil : $0 }
        if let cursor = last ?? query("cursor") {
            guard cursor.utf8.count <= RequestLimits.cursorBytes else {
                throw Fault(.invalid, doing: doing, "expected the cursor of a line", field: "cursor")
            }
            return .after(cursor)
        }
        guard let since = query("since") else { return .last(limit) }
        guard let instant = Timestamp(rfc3339: since) else {
            throw Fault(
                .invalid, doing: doing, "expected a date-time such as 2027-01-31T00:00:00Z", field: "since")
        }
        return .since(instant)
    }

    /// Whether lines are to be sent as they come: asked for by `follow`, or by what is accepted.
    fileprivate func isFollowing(doing: String) throws(Fault) -> Bool {
        switch query("follow") {
        case "true": return true
        case "false": return false
        case nil: return headers[.accept]?.contains("text/event-stream") ?? false
        default: throw Fault(.invalid, doing: doing, "expected true or false", field: "follow")
        }
    }
}
