import Kernel

extension Bool: PostgresDecodable {
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        guard type == .bool else { throw PostgresMismatch.type }
        self = try bytes.integer(at: 0, as: UInt8.self) != 0
    }
}

/// Reads any of the server's integers, and a `numeric` (what `sum` of integers gives) that is a whole number;
/// throws when the value does not fit.
extension PostgresDecodable where Self: FixedWidthInteger {
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        let wide: Int64 =
            switch type {
            case .int8: try bytes.integer(at: 0, as: Int64.self)
            case .int4: try Int64(bytes.integer(at: 0, as: Int32.self))
            case .int2: try Int64(bytes.integer(at: 0, as: Int16.self))
            case .oid: try Int64(bytes.integer(at: 0, as: UInt32.self))
            case .numeric: try Numeric(bytes).scaled(places: 0)
            default: throw PostgresMismatch.type
            }
        guard let value = Self(exactly: wide) else {
            throw PostgresMismatch.malformed("the number is too large")
        }
        self = value
    }
}

extension Int: PostgresDecodable {}
extension Int64: PostgresDecodable {}
extension Int32: PostgresDecodable {}
extension Int16: PostgresDecodable {}

extension UInt8: PostgresDecodable {
    public static func postgresArray(_ bytes: RawSpan, type: PostgresType) throws -> [UInt8] {
        guard type == .bytea else { throw PostgresMismatch.type }
        return bytes.array()
    }
}

/// A `numeric` becomes the nearest floating-point number.
extension Double: PostgresDecodable {
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        switch type {
        case .float8: self.init(bitPattern: try bytes.integer(at: 0, as: UInt64.self))
        case .float4: self.init(Float(bitPattern: try bytes.integer(at: 0, as: UInt32.self)))
        case .numeric: self = try Numeric(bytes).double
        default: throw PostgresMismatch.type
        }
    }
}

/// Reads whatever is text in binary form: text, varchar, name, json, jsonb, an enum of the schema.
extension String: PostgresDecodable {
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        if type == .jsonb {
            self = try JSONB(postgres: bytes, type: type).text
        } else {
            guard type.isTextual else { throw PostgresMismatch.type }
            self = bytes.text()
        }
    }
}

extension Slug: PostgresDecodable {
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        let text = try String(postgres: bytes, type: type)
        do {
            try self.init(text)
        } catch {
            throw PostgresMismatch.malformed(error.detail)
        }
    }
}

extension UUIDv7: PostgresDecodable {
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        guard type == .uuid else { throw PostgresMismatch.type }
        try self.init(
            high: bytes.integer(at: 0, as: UInt64.self), low: bytes.integer(at: 8, as: UInt64.self))
    }
}

extension TypedID: PostgresDecodable {
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        try self.init(UUIDv7(postgres: bytes, type: type))
    }
}

/// A `timestamp` without a zone is taken as UTC and a `date` as its midnight; the infinities are refused.
extension Timestamp: PostgresDecodable {
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        let shifted: Int64
        switch type {
        case .timestamptz, .timestamp:
            shifted = try bytes.integer(at: 0, as: Int64.self)
        case .date:
            let days = try Int64(bytes.integer(at: 0, as: Int32.self))
            let microsecondsPerDay: Int64 = 86_400_000_000
            shifted = days == Int32.min ? .min : days == Int32.max ? .max : days * microsecondsPerDay
        default:
            throw PostgresMismatch.type
        }
        let (sum, overflow) = shifted.addingReportingOverflow(Timestamp.postgresEpoch)
        guard shifted != .min, !overflow else {
            throw PostgresMismatch.malformed("it is an infinity, or too far away")
        }
        self.init(microseconds: sum)
    }
}

/// A day counts 24 hours; an interval with months has no length and is refused.
extension Duration: PostgresDecodable {
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        guard type == .interval else { throw PostgresMismatch.type }
        guard try bytes.integer(at: 12, as: Int32.self) == 0 else {
            throw PostgresMismatch.malformed("an interval with months has no fixed length")
        }
        let days = try Int64(bytes.integer(at: 8, as: Int32.self))
        self = try .microseconds(bytes.integer(at: 0, as: Int64.self)) + .seconds(86_400 * days)
    }
}

/// Refuses more than four decimals, and what is beyond `Money.limit`: no amount is ever rounded on its way.
extension Money: PostgresDecodable {
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        guard type == .numeric else { throw PostgresMismatch.type }
        let value = try Numeric(bytes).scaled(places: 1)
        guard value.magnitude <= Money.limit.tenThousandths.magnitude else {
            throw PostgresMismatch.malformed("the amount is too large")
        }
        self.init(tenThousandths: value)
    }
}
