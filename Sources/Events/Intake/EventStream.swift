import Kernel
import Redis

/// A brand's events between their acknowledgement and their commit: a Redis stream whose append-only file is
/// synced before each answer. It is trimmed only by `remove`, after a commit.
public struct EventStream: Sendable {
    /// A place in the stream. Later entries have larger ones.
    public struct Position: Hashable, Comparable, Sendable {
        let milliseconds: UInt64
        let sequence: UInt64

        /// When it was put there.
        var instant: Timestamp { Timestamp(microseconds: Int64(clamping: milliseconds) * 1000) }

        /// The place that Redis calls `id`; nil when that is no place.
        public init?(_ id: String) {
            let parts = id.split(separator: "-")
            guard parts.count == 2, let milliseconds = UInt64(parts[0]), let sequence = UInt64(parts[1])
            else {
                return nil
            }
            self.milliseconds = milliseconds
            self.sequence = sequence
        }

        public static func < (left: Position, right: Position) -> Bool {
            (left.milliseconds, left.sequence) < (right.milliseconds, right.sequence)
        }
    }

    /// An entry as it was read, before it is known to be an event.
    struct Entry: Sendable {
        let id: String
        let position: Position
        let fields: [(String, [UInt8])]

        init?(_ entry: RedisStreamEntry) {
            guard let position = Position(entry.id) else { return nil }
            self.position = position
            (id, fields) = (entry.id, entry.fields)
        }
    }

    let brand: Slug
    private let waiting: RedisStream
    private let refused: RedisStream

    public init(client: RedisClient, brand: Slug) {
        self.brand = brand
        waiting = RedisStream(client, key: brand.redisPrefix + "events")
        refused = RedisStream(client, key: brand.redisPrefix + "dead")
    }

    /// Appends `events` in order. When this returns, they survive any crash.
    ///
    /// - Throws: `Fault.unavailable` when Redis is away or refuses; some of them may have been appended, and
    ///   sending them again is harmless.
    func append(_ events: [Event]) async throws -> [Position] {
        try await append(entries: events.map(EventEnvelope.fields))
    }

    /// The same of events as they lie in a stream.
    @discardableResult
    func append(entries: [[(String, [UInt8])]]) async throws -> [Position] {
        try await reaching("accept the events") {
            try await waiting.append(entries).compactMap(Position.init)
        }
    }

    /// Whether an entry at `position` or before it still waits.
    func holds(_ position: Position) async throws -> Bool {
        guard let oldest = try await oldest(1).first else { return false }
        return oldest.position <= position
    }

    /// The oldest entries, or the oldest of those behind `entry`; at most `count`.
    func oldest(_ count: Int, behind entry: Entry? = nil) async throws -> [Entry] {
        try await reaching("read the stream") {
            try await waiting.oldest(count, after: entry?.id).compactMap(Entry.init)
        }
    }

    /// The oldest entries behind `id`, each as the JSON that the API shows.
    public func shown(_ count: Int, behind id: String?) async throws -> [(id: String, json: String)] {
        try await reaching("read the stream") {
            try await waiting.oldest(count, after: id).compactMap(Entry.init).map { ($0.id, $0.json()) }
        }
    }

    /// When the oldest entry that waits was put there; nil when none waits.
    public func oldestAt() async throws -> Timestamp? { try await oldest(1).first?.position.instant }

    /// Removes entries that are committed, or that `refuse` has kept.
    func remove(_ entries: [Entry]) async throws {
        _ = try await reaching("remove committed entries") { try await waiting.delete(entries.map(\.id)) }
    }

    /// Keeps an entry that cannot be processed, with the reason, in the stream of dead letters.
    func refuse(_ entry: Entry, because reason: String) async throws {
        try await reaching("keep a dead letter") {
            let marks = [
                (DeadLetter.Mark.entry, Array(entry.id.utf8)),
                (DeadLetter.Mark.reason, Array(reason.utf8)),
            ]
            _ = try await refused.append([entry.fields + marks])
        }
    }

    /// The oldest dead letters behind `id`; at most `count`.
    func refusals(_ count: Int, behind id: String?) async throws -> [Entry] {
        try await reaching("read the dead letters") {
            try await refused.oldest(count, after: id).compactMap(Entry.init)
        }
    }

    /// The dead letter of this id; nil when there is none.
    func refusal(_ id: String) async throws -> Entry? {
        try await reaching("read the dead letter") { try await refused.entry(id).flatMap(Entry.init) }
    }

    /// Removes dead letters that are in the stream again, or not wanted.
    func removeRefusals(_ ids: [String]) async throws {
        _ = try await reaching("remove dead letters") { try await refused.delete(ids) }
    }

    /// How many entries wait to be committed.
    public func length() async throws -> Int {
        try await reaching("measure the stream") { try await waiting.length() }
    }

    /// How many dead letters are kept.
    public func deadLetters() async throws -> Int {
        try await reaching("count the dead letters") { try await refused.length() }
    }

    private func reaching<Value>(_ doing: String, _ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as RedisError {
            throw error.fault(doing: doing)
        }
    }
}
