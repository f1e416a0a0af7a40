import Kernel
import Sealing
import Web

/// Where a page of a list ends: opaque to clients, and checked when it comes back.
struct Cursor: Sendable {
    /// The sort key of the last item.
    let position: String

    init(_ position: String?) { self.position = position ?? "" }

    /// Reads what `text` made.
    ///
    /// - Throws: `Fault.invalid` for anything else.
    init(text: String, doing: String) throws(Fault) {
        guard text.utf8.count <= RequestLimits.cursorBytes, let bytes = Base64URL.decode(text),
            let position = String(validating: bytes, as: UTF8.self), !position.utf8.contains(0)
        else {
            throw Fault(.invalid, doing: doing, "expected a nextCursor of an earlier page", field: "cursor")
        }
        self.position = position
    }

    var text: String { Base64URL.encode(Array(position.utf8)) }
}
