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
