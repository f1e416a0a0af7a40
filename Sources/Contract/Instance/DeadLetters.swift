import Kernel

/// `POST /api/dead-letters/replay` and `/discard`: which letters. An empty object is all of them.
public struct DeadLetterSelection: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case reason, type, after, atMost
    }

    /// Text in the reason.
    public var reason: String?
    /// The event's type.
    public var type: String?
    /// Only behind this letter: `after` of the last answer.
    public var after: String?
    /// How many to look at, at most: `left` of the last answer.
    public var atMost: Int?

    public init(reason: String? = nil, type: String? = nil, after: String? = nil, atMost: Int? = nil) {
        self.reason = reason
        self.type = type
        self.after = after
        self.atMost = atMost
    }
}

/// How far a request came with the letters that it names.
public struct DeadLetterProgress: Codable, Sendable {
    /// How many letters were replayed or discarded.
    public var count: Int
    /// Where the next request goes on, when some are left to be looked at.
    public var after: String?
    /// How many are left to be looked at.
    public var left: Int

    public init(count: Int, after: String?, left: Int) {
        self.count = count
        self.after = after
        self.left = left
    }
}

/// `GET /api/streams/info`: where the brand's events are before they are stored.
public struct StreamsView: Codable, Sendable {
    /// A stream of the brand's.
    public struct Stream: Codable, Sendable {
        /// `events`, which wait to be stored; `dead-letters`, which could not be stored.
        public var name: String
        public var length: Int
        /// How many there may be.
        public var limit: Int
        /// When the oldest came; nil when there is none.
        public var oldestAt: Timestamp?

        public init(name: String, length: Int, limit: Int, oldestAt: Timestamp?) {
            self.name = name
            self.length = length
            self.limit = limit
            self.oldestAt = oldestAt
        }
    }

    public var items: [Stream]

    public init(items: [Stream]) { self.items = items }
}

/// `GET /api/monitoring/queues`: what waits, what failed, what could not be stored.
public struct QueuesView: Codable, Sendable {
    /// Events that wait to be stored, and since when the oldest does.
    public var waiting: Int
    public var oldestWaitingAt: Timestamp?
    public var deadLetters: Int
    /// The brand's long work by its state.
    public var operations: [String: Int64]

    public init(waiting: Int, oldestWaitingAt: Timestamp?, deadLetters: Int, operations: [String: Int64]) {
        self.waiting = waiting
        self.oldestWaitingAt = oldestWaitingAt
        self.deadLetters = deadLetters
        self.operations = operations
    }
}
