/// A value that can be read from a column in the server's binary form.
///
/// An enum over strings or integers conforms by saying so: `extension Role: PostgresDecodable {}`.
public protocol PostgresDecodable {
    /// Reads a value that is not null; throws when the type or the bytes are not ones it understands.
    init(postgres bytes: RawSpan, type: PostgresType) throws
    /// What null becomes; it throws unless the type is an optional.
    static func postgresNull() throws -> Self
    /// Reads an array of these. Only bytes, whose array is a `bytea`, need their own.
    static func postgresArray(_ bytes: RawSpan, type: PostgresType) throws -> [Self]
}

/// Why bytes could not become a value; a row adds the column and throws `PostgresDecodingError`.
public enum PostgresMismatch: Error, Sendable, Equatable {
    /// The column has a type that does not become this one.
    case type
    /// The column is null and the type is no optional.
    case null
    /// The type fits and the value does not: what is wrong with it, without the value.
    case malformed(String)
}

/// A result that is not what the code that reads it expects: a programming error, or a schema that has moved.
public struct PostgresDecodingError: Error, Sendable, CustomStringConvertible {
    public let column: String
    public let columnType: PostgresType
    public let expected: String
    public let reason: PostgresMismatch

    /// Names the column, never the value.
    public var description: String {
        let why =
            switch reason {
            case .type: "its type, \(columnType.rawValue), does not fit"
            case .null: "it is null"
            case .malformed(let detail): detail
            }
        return "the column '\(column)' cannot be read as \(expected): \(why)"
    }
}

extension PostgresDecodable {
    public static func postgresNull() throws -> Self { throw PostgresMismatch.null }

    /// Takes one dimension or none (`array_send` in PostgreSQL's sources).
    public static func postgresArray(_ bytes: RawSpan, type: PostgresType) throws -> [Self] {
        let dimensions = try bytes.integer(at: 0, as: Int32.self)
        guard type.isArray, dimensions == 0 || dimensions == 1 else { throw PostgresMismatch.type }
        guard dimensions == 1 else { return [] }
        let elementType = try PostgresType(rawValue: bytes.integer(at: 8, as: UInt32.self))
        let count = try Int(bytes.integer(at: 12, as: Int32.self))
        var position = 20
        var elements: [Self] = []
        elements.reserveCapacity(min(max(0, count), bytes.byteCount / 4))
        for _ in 0..<max(0, count) {
            let length = try Int(bytes.integer(at: position, as: Int32.self))
            position += 4
            if length < 0 {
                elements.append(try postgresNull())
                continue
            }
            guard position + length <= bytes.byteCount else {
                throw PostgresMismatch.malformed("it is cut off")
            }
            let value = bytes.extracting(position..<position + length)
            elements.append(try Self(postgres: value, type: elementType))
            position += length
        }
        return elements
    }
}

extension Array: PostgresDecodable where Element: PostgresDecodable {
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        self = try Element.postgresArray(bytes, type: type)
    }
}

extension Optional: PostgresDecodable where Wrapped: PostgresDecodable {
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        self = try Wrapped(postgres: bytes, type: type)
    }

    public static func postgresNull() -> Wrapped? { nil }
}

extension PostgresDecodable where Self: RawRepresentable, RawValue: PostgresDecodable {
    /// A raw value that is none of the enum's is a mismatch, never a trap.
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        guard let value = try Self(rawValue: RawValue(postgres: bytes, type: type)) else {
            throw PostgresMismatch.malformed("it is none of the known values")
        }
        self = value
    }
}

extension RawSpan {
    /// The big-endian integer at `offset`; throws when the bytes end before it does.
    func integer<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: T.Type) throws -> T {
        guard offset + MemoryLayout<T>.size <= byteCount else {
            throw PostgresMismatch.malformed("it is cut off")
        }
        return T(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: type))
    }

    /// The bytes from `offset` on, copied.
    func array(from offset: Int = 0) -> [UInt8] {
        withUnsafeBytes { Array($0.dropFirst(offset)) }
    }

    /// The bytes from `offset` on as text; what is not UTF-8 is replaced.
    func text(from offset: Int = 0) -> String {
        withUnsafeBytes { String(decoding: $0.dropFirst(offset), as: UTF8.self) }
    }
}
