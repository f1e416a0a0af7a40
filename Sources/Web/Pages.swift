import Contract
import Hummingbird
import Kernel
import NIOCore

extension Request {
    /// The `cursor` of a list; nil on the first page.
    public func pageCursor(doing: String) throws -> PageCursor? {
        guard let text = query("cursor") else { return nil }
        guard text.utf8.count <= RequestLimits.cursorBytes, let cursor = PageCursor(text) else {
            throw Fault(.invalid, doing: doing, "expected the nextCursor of an earlier page", field: "cursor")
        }
        return cursor
    }
}

extension WebResponse {
    /// A page of documents that PostgreSQL made. `found` has one more than `limit` where the list goes on.
    public static func page(_ found: [ListedDocument], limit: Int) -> Response {
        page(
            documents: found.prefix(limit).map(\.json),
            nextCursor: found.count > limit ? found[limit - 1].cursor.description : nil)
    }

    /// A page of values, of which `cursor` says where the list goes on behind one. `found` has one more than
    /// `limit` where it does.
    public static func page<Item: Codable & Sendable>(
        _ found: [Item], limit: Int, cursor: (Item) -> PageCursor
    ) throws -> Response {
        let items = Array(found.prefix(limit))
        return try json(
            Page(
                items: items, nextCursor: found.count > limit ? items.last.map { "\(cursor($0))" } : nil))
    }

    /// A page of JSON documents.
    public static func page(documents: [String], nextCursor: String?) -> Response {
        var body = ByteBuffer(string: "{\"items\":[")
        for (index, document) in documents.enumerated() {
            if index > 0 { body.writeString(",") }
            body.writeString(document)
        }
        body.writeString("],\"nextCursor\":\(nextCursor.map { "\"\($0)\"" } ?? "null")}")
        return json(text: body)
    }
}
