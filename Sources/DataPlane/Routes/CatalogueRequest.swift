import Commerce
import Events
import Foundation
import Hummingbird
import Kernel
import NIOCore
import Sealing
import Web

/// Reads what requests about products and inventory bring.
extension Request {
    /// The body as one JSON object.
    ///
    /// - Throws: `Fault.tooLarge` beyond `limit` bytes, `Fault.invalid` when it is no object.
    func object(upTo limit: Int, doing: String) async throws -> JSONText {
        let body = try await wholeBody(upTo: limit, doing: doing)
        let json: JSONText
        do {
            json = try JSONText.checking(Array(body.readableBytesView))
        } catch {
            throw Fault(.invalid, doing: doing, "\(error)")
        }
        guard json.kind == .object else { throw Fault(.invalid, doing: doing, "expected an object") }
        return json
    }

    /// The items of a body that is an object with one list, such as `{"products": […]}`.
    ///
    /// - Parameter limit: items of it.
    func list(_ name: String, upTo limit: Int, doing: String) async throws -> [JSONText] {
        let fields = JSONFields(
            try await object(upTo: EventLimits.bodyBytes, doing: doing), under: nil, doing: doing)
        try fields.require(only: [name], ignoring: [])
        guard let list = fields.value(name), list.kind == .array else {
            throw fields.fault(name, "expected an array")
        }
        let items = Array(list.elements.prefix(limit + 1))
        guard items.count <= limit else {
            throw Fault(.tooLarge, doing: doing, "there are at most \(limit) in one request", field: name)
        }
        return items
    }

    /// A query parameter that is `true` or `false`; nil when it is absent.
    func truth(_ name: String, doing: String) throws(Fault) -> Bool? {
        guard let text = query(name) else { return nil }
        guard let truth = Bool(text) else {
            throw Fault(.invalid, doing: doing, "expected true or false", field: name)
        }
        return truth
    }

    /// A query parameter that is a text of at most `limit` bytes; nil when it is absent.
    func text(_ name: String, upTo limit: Int, doing: String) throws(Fault) -> String? {
        guard let text = query(name) else { return nil }
        guard text.utf8.count <= limit, !text.utf8.contains(0) else {
            throw Fault(.invalid, doing: doing, "it has at most \(limit) bytes", field: name)
        }
        return text
    }

    /// The ids that a list goes on behind, as `ListCursor` writes them; nil on the first page.
    func cursor(ids count: Int, doing: String) throws(Fault) -> [String]? {
        guard let text = query("cursor") else { return nil }
        guard let ids = ListCursor.ids(text, count: count) else {
            throw Fault(.invalid, doing: doing, "expected the nextCursor of an earlier page", field: "cursor")
        }
        return ids
    }
}

/// Where a list that is ordered by ids of the brand's own goes on; opaque to clients.
enum ListCursor {
    /// Characters of one: two ids in Base64.
    static let maximumLength = (4 * (2 * EventLimits.keyBytes + 1) + 2) / 3

    /// No id has a control character, so that one can stand between them.
    private static let separator = UInt8(ascii: "\n")

    static func text(_ ids: [String]) -> String {
        Base64URL.encode(ids.map { Array($0.utf8) }.joined(separator: [separator]))
    }

    static func ids(_ text: String, count: Int) -> [String]? {
        guard text.utf8.count <= maximumLength, let bytes = Base64URL.decode(text), !bytes.contains(0),
            let whole = String(validating: bytes, as: UTF8.self)
        else { return nil }
        let ids = whole.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        return ids.count == count ? ids : nil
    }
}

extension WebContext {
    /// An id of the brand's own in the path, its escapes resolved: it may hold any character, a slash too.
    ///
    /// - Throws: `Fault.invalid` with its name when the escapes are none.
    func ownID(_ name: String, doing: String) throws -> String {
        guard let id = try parameter(name).removingPercentEncoding else {
            throw Fault(
                .invalid, doing: doing, "expected an id in UTF-8, with '%' and what else is special escaped",
                field: name)
        }
        return id
    }
}
