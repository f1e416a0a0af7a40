/// One entry of a stream.
public struct RedisStreamEntry: Sendable {
    /// What Redis gave it: milliseconds, a dash, a number; rises from entry to entry.
    public let id: String
    /// Its fields, in the order they were written.
    public let fields: [(String, [UInt8])]

    /// The value of the first field of this name.
    public subscript(_ name: String) -> [UInt8]? { fields.first { $0.0 == name }?.1 }
}

/// A Redis stream that is used as a queue: appended to at one end, read from the other, and cut only by
/// deleting what was dealt with.
public struct RedisStream: Sendable {
    /// The commands that a user needs who works with a stream.
    public static let commands = ["xadd", "xrange", "xdel", "xlen"]

    /// Where the stream is kept.
    public let key: String
    private let client: RedisClient

    /// The stream at `key`; it need not exist yet.
    public init(_ client: RedisClient, key: String) {
        self.client = client
        self.key = key
    }

    /// Appends entries in order and returns their ids; under `appendfsync always` they are on disk by then.
    ///
    /// When this throws, some of them may have been appended: a reader must cope with doubles.
    public func append(_ entries: [[(String, [UInt8])]]) async throws -> [String] {
        let commands = entries.map { fields in
            words("XADD", key, "*") + fields.flatMap { [Array($0.0.utf8), $0.1] }
        }
        return try await client.pipeline(commands).map { reply in
            guard let id = try reply.refusalThrown().text else { throw RedisError.shape("an entry's id") }
            return id
        }
    }

    /// The oldest `count` entries, or the oldest of those behind `id`.
    public func oldest(_ count: Int, after id: String? = nil) async throws -> [RedisStreamEntry] {
        let start = id.map { "(\($0)" } ?? "-"
        let reply = try await client.send("XRANGE", key, start, "+", "COUNT", String(count))
        guard let entries = reply.array else { throw RedisError.shape("a stream's entries") }
        return try entries.map(RedisStreamEntry.init)
    }

    /// The entry of this id; nil when there is none.
    public func entry(_ id: String) async throws -> RedisStreamEntry? {
        let reply = try await client.send("XRANGE", key, id, id, "COUNT", "1")
        guard let entries = reply.array else { throw RedisError.shape("a stream's entries") }
        return try entries.first.map(RedisStreamEntry.init)
    }

    /// Deletes entries; returns how many there were.
    @discardableResult
    public func delete(_ ids: [String]) async throws -> Int {
        guard !ids.isEmpty else { return 0 }
        let reply = try await client.send(words("XDEL", key) + ids.map { Array($0.utf8) })
        return try count(reply)
    }

    /// How many entries there are.
    public func length() async throws -> Int {
        try await count(client.send("XLEN", key))
    }

    private func count(_ reply: RedisValue) throws(RedisError) -> Int {
        guard let count = reply.integer else { throw .shape("a count") }
        return Int(count)
    }
}

extension RedisStreamEntry {
    /// An entry as XRANGE has it: its id, then names and values by turns.
    fileprivate init(_ reply: RedisValue) throws(RedisError) {
        guard let parts = reply.array, parts.count == 2, let id = parts[0].text, let flat = parts[1].array,
            flat.count.isMultiple(of: 2)
        else { throw .shape("a stream's entry") }
        self.id = id
        var fields: [(String, [UInt8])] = []
        for index in stride(from: 0, to: flat.count, by: 2) {
            guard let name = flat[index].text, let value = flat[index + 1].bytes else {
                throw .shape("a field of a stream's entry")
            }
            fields.append((name, value))
        }
        self.fields = fields
    }
}

private func words(_ words: String...) -> [[UInt8]] { words.map { Array($0.utf8) } }
