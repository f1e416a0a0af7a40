import Kernel

/// An error answer of either plane: RFC 9457 `application/problem+json`.
public struct Problem: Codable, Sendable, Error, CustomStringConvertible {
    /// Identifies the kind of problem: `https://constintel.dev/problems/<code>`.
    public var type: String
    /// The kind of problem in words.
    public var title: String
    /// The HTTP status.
    public var status: Int
    /// What is wrong and what was expected.
    public var detail: String
    /// `Fault.Code` as text.
    public var code: String
    /// The input field that is wrong, such as `events[3].type`.
    public var field: String?
    /// The request's `X-Request-Id`, to find it in the logs.
    public var requestId: String?
    /// The detail once more, on paths whose clients look for it here.
    public var message: String?

    public init(
        type: String, title: String, status: Int, detail: String, code: String, field: String? = nil,
        requestId: String? = nil
    ) {
        self.type = type
        self.title = title
        self.status = status
        self.detail = detail
        self.code = code
        self.field = field
        self.requestId = requestId
    }

    public var description: String { field.map { "\(detail) (\($0))" } ?? detail }
}

/// One page of a list. `nextCursor` is opaque; it is nil on the last page.
public struct Page<Item: Codable & Sendable>: Codable, Sendable {
    public var items: [Item]
    public var nextCursor: String?

    public init(items: [Item], nextCursor: String? = nil) {
        self.items = items
        self.nextCursor = nextCursor
    }
}
