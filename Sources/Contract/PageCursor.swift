import Kernel

/// Where a list that is ordered by time and id goes on; opaque to clients.
///
/// The next page begins behind this row whatever has come in since, so that pages neither skip nor repeat.
public struct PageCursor: Sendable, Hashable, CustomStringConvertible {
    public let instant: Timestamp
    public let id: UUIDv7

    public init(instant: Timestamp, id: UUIDv7) {
        self.instant = instant
        self.id = id
    }

    /// Parses what `description` made; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let microseconds = Int64(parts[0]), let id = UUIDv7(parts[1]) else {
            return nil
        }
        self.init(instant: Timestamp(microseconds: microseconds), id: id)
    }

    public var description: String { "\(instant.microseconds).\(id)" }
}

/// One item of a list as the JSON that PostgreSQL made of it, and where the list goes on behind it.
public struct ListedDocument: Sendable {
    public let json: String
    public let cursor: PageCursor

    public init(json: String, cursor: PageCursor) {
        self.json = json
        self.cursor = cursor
    }
}
