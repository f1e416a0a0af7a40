import CHiredis

/// One hiredis context: a non-blocking socket, what is still to be written and what has been read.
///
/// After an error the context is useless; dropping it closes the socket.
struct RedisContext: ~Copyable {
    private let context: UnsafeMutablePointer<redisContext>

    /// Connects to the server that listens at `path`. On a local socket that is done at once or fails at
    /// once.
    init(socket path: String) throws(RedisError) {
        guard let context = redisConnectUnixNonBlock(path) else { throw .connection("out of memory") }
        guard context.pointee.err == 0 else {
            let reason = RedisContext.reason(context)
            redisFree(context)
            throw .connection(reason)
        }
        self.context = context
    }

    deinit { redisFree(context) }

    var descriptor: Int32 { context.pointee.fd }

    /// Adds a command to what is to be written.
    func append(_ arguments: [[UInt8]]) throws(RedisError) {
        let lengths = arguments.map(\.count)
        let joined = arguments.reduce(into: [UInt8]()) { $0 += $1 }
        let result = joined.withUnsafeBytes { bytes in
            var start = 0
            var pointers = lengths.map { length in
                defer { start += length }
                return bytes.baseAddress?.advanced(by: start).assumingMemoryBound(to: CChar.self)
            }
            return redisAppendCommandArgv(context, Int32(lengths.count), &pointers, lengths)
        }
        try check(result)
    }

    /// Writes what the socket takes; true when nothing is left.
    ///
    /// hiredis uses plain `write`: when the server has gone, SIGPIPE is raised, which a reactor's thread
    /// blocks.
    func flush() throws(RedisError) -> Bool {
        var done: Int32 = 0
        try check(redisBufferWrite(context, &done))
        return done == 1
    }

    /// Reads some of what has arrived, without waiting.
    func fill() throws(RedisError) {
        try check(redisBufferRead(context))
    }

    /// The next whole reply of what was read; nil when there is none yet.
    func nextReply() throws(RedisError) -> RedisValue? {
        var reply: UnsafeMutableRawPointer?
        try check(redisGetReplyFromReader(context, &reply))
        guard let reply else { return nil }
        defer { freeReplyObject(reply) }
        return RedisContext.value(reply.assumingMemoryBound(to: redisReply.self).pointee)
    }

    private static func value(_ reply: redisReply) -> RedisValue {
        switch reply.type {
        case REDIS_REPLY_STRING: return .string(bytes(reply))
        case REDIS_REPLY_STATUS: return .status(String(decoding: bytes(reply), as: UTF8.self))
        case REDIS_REPLY_ERROR: return .error(String(decoding: bytes(reply), as: UTF8.self))
        case REDIS_REPLY_INTEGER: return .integer(reply.integer)
        case REDIS_REPLY_ARRAY:
            let parts = UnsafeBufferPointer(start: reply.element, count: reply.elements)
            return .array(parts.map { part in part.map { value($0.pointee) } ?? .null })
        default: return .null
        }
    }

    private static func bytes(_ reply: redisReply) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: reply.str, count: reply.len))
    }

    private func check(_ result: Int32) throws(RedisError) {
        guard result == REDIS_OK else { throw .connection(RedisContext.reason(context)) }
    }

    private static func reason(_ context: UnsafeMutablePointer<redisContext>) -> String {
        withUnsafeBytes(of: context.pointee.errstr) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
