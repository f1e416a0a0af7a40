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
        var body = ByteBuffer(string: "{\"items\":[")
        for (index, item) in found.prefix(limit).enumerated() {
            if index > 0 { body.writeString(",") }
            body.writeString(item.json)
        }
        let next = found.count > limit ? "\"\(found[limit - 1].cursor)\"" : "null"
        body.writeString("],\"nextCursor\":\(next)}")
        return json(text: body)
    }
}
