/// One answer of Redis, or a part of one (RESP 2).
public enum RedisValue: Sendable, Equatable {
    /// Nothing: a missing key, a time-out of a blocking command.
    case null
    /// A count, a length, a yes or no.
    case integer(Int64)
    /// Bytes as they were stored.
    case string([UInt8])
    /// A short word such as `OK`.
    case status(String)
    /// Several answers.
    case array([RedisValue])
    /// A refusal, in the server's words; alone it is thrown, inside a pipeline or an array it stands here.
    case error(String)

    /// The bytes of a string; nil for anything else.
    public var bytes: [UInt8]? {
        if case .string(let bytes) = self { bytes } else { nil }
    }

    /// A string or status as text, with what is not UTF-8 replaced; nil for anything else.
    public var text: String? {
        switch self {
        case .string(let bytes): String(decoding: bytes, as: UTF8.self)
        case .status(let text): text
        default: nil
        }
    }

    /// The number; nil for anything that is no integer.
    public var integer: Int64? {
        if case .integer(let number) = self { number } else { nil }
    }

    /// The parts of an array; nil for anything else.
    public var array: [RedisValue]? {
        if case .array(let parts) = self { parts } else { nil }
    }

    /// Whether there is nothing here.
    public var isNull: Bool { self == .null }

    /// The value itself, unless it is a refusal: that is thrown.
    func refusalThrown() throws(RedisError) -> RedisValue {
        if case .error(let text) = self { throw .reply(text) }
        return self
    }
}
