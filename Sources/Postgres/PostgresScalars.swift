import Kernel

extension Bool: PostgresElement {
    public static var postgresType: PostgresType { .bool }
    public static var postgresArrayType: PostgresType { .boolArray }
    public func encode(into buffer: inout [UInt8]) { buffer.append(self ? 1 : 0) }
}

extension Int: PostgresElement {
    public static var postgresType: PostgresType { .int8 }
    public static var postgresArrayType: PostgresType { .int8Array }
    public func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: Int64(self)) }
}

extension Int64: PostgresElement {
    public static var postgresType: PostgresType { .int8 }
    public static var postgresArrayType: PostgresType { .int8Array }
    public func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: self) }
}

extension Int32: PostgresElement {
    public static var postgresType: PostgresType { .int4 }
    public static var postgresArrayType: PostgresType { .int4Array }
    public func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: self) }
}

extension Int16: PostgresElement {
    public static var postgresType: PostgresType { .int2 }
    public static var postgresArrayType: PostgresType { .int2Array }
    public func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: self) }
}

/// One byte is a `smallint`; an array of bytes is a `bytea`.
extension UInt8: PostgresElement {
    public static var postgresType: PostgresType { .int2 }
    public static var postgresArrayType: PostgresType { .bytea }
    public func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: Int16(self)) }
    public static func encodeArray(_ elements: [UInt8], into buffer: inout [UInt8]) {
        buffer.append(contentsOf: elements)
    }
}

extension Double: PostgresElement {
    public static var postgresType: PostgresType { .float8 }
    public static var postgresArrayType: PostgresType { .float8Array }
    public func encode(into buffer: inout [UInt8]) { buffer.append(bigEndian: bitPattern) }
}

extension String: PostgresElement {
    public static var postgresType: PostgresType { .text }
    public static var postgresArrayType: PostgresType { .textArray }
    public func encode(into buffer: inout [UInt8]) { buffer.append(contentsOf: utf8) }
}

extension Slug: PostgresElement {
    public static var postgresType: PostgresType { .text }
    public static var postgresArrayType: PostgresType { .textArray }
    public func encode(into buffer: inout [UInt8]) { text.encode(into: &buffer) }
}

extension UUIDv7: PostgresElement {
    public static var postgresType: PostgresType { .uuid }
    public static var postgresArrayType: PostgresType { .uuidArray }
    public func encode(into buffer: inout [UInt8]) {
        buffer.append(bigEndian: high)
        buffer.append(bigEndian: low)
    }
}

extension TypedID: PostgresEncodable, PostgresElement {
    public static var postgresType: PostgresType { .uuid }
    public static var postgresArrayType: PostgresType { .uuidArray }
    public func encode(into buffer: inout [UInt8]) { uuid.encode(into: &buffer) }
}

extension Timestamp: PostgresElement {
    public static var postgresType: PostgresType { .timestamptz }
    public static var postgresArrayType: PostgresType { .timestamptzArray }

    /// Microseconds from 1970-01-01 to 2000-01-01, where the server's time begins.
    static let postgresEpoch: Int64 = 946_684_800_000_000

    /// An instant that the server cannot hold becomes one that it refuses as out of range (22008); the
    /// lowest number would be its `-infinity`.
    public func encode(into buffer: inout [UInt8]) {
        let (shifted, overflow) = microseconds.subtractingReportingOverflow(Timestamp.postgresEpoch)
        buffer.append(bigEndian: overflow || shifted == .min ? .min + 1 : shifted)
    }
}

/// A duration is an `interval` of microseconds, without days or months.
extension Duration: PostgresElement {
    public static var postgresType: PostgresType { .interval }
    public static var postgresArrayType: PostgresType { .intervalArray }
    public func encode(into buffer: inout [UInt8]) {
        buffer.append(bigEndian: inMicroseconds)
        buffer.append(bigEndian: Int32(0))
        buffer.append(bigEndian: Int32(0))
    }
}

extension Money: PostgresElement {
    public static var postgresType: PostgresType { .numeric }
    public static var postgresArrayType: PostgresType { .numericArray }
    public func encode(into buffer: inout [UInt8]) { Numeric(self).encode(into: &buffer) }
}
