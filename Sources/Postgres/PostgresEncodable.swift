import Kernel

/// A value that can be bound to a parameter, in the server's binary form and with its type.
///
/// An enum over strings or integers conforms by saying so: `extension Role: PostgresElement {}`.
public protocol PostgresEncodable {
    /// The type that the parameter is declared to have.
    static var postgresType: PostgresType { get }
    /// Whether this is SQL's null; nothing is encoded then.
    var isPostgresNull: Bool { get }
    /// Appends the binary form.
    func encode(into buffer: inout [UInt8])
}

extension PostgresEncodable {
    public var isPostgresNull: Bool { false }
}

/// A value that can also be an element of an array parameter, which is how a statement takes many rows
/// (`unnest`).
public protocol PostgresElement: PostgresEncodable {
    /// The type of an array of these.
    static var postgresArrayType: PostgresType { get }
    /// Appends the binary form of an array. Only bytes, whose array is a `bytea`, need their own.
    static func encodeArray(_ elements: [Self], into buffer: inout [UInt8])
}

extension PostgresElement {
    /// One dimension that begins at 1 (`array_recv` in PostgreSQL's sources); none when it is empty.
    public static func encodeArray(_ elements: [Self], into buffer: inout [UInt8]) {
        buffer.append(bigEndian: Int32(elements.isEmpty ? 0 : 1))
        buffer.append(bigEndian: Int32(elements.contains(where: \.isPostgresNull) ? 1 : 0))
        buffer.append(bigEndian: postgresType.rawValue)
        guard !elements.isEmpty else { return }
        buffer.append(bigEndian: Int32(truncatingIfNeeded: elements.count))
        buffer.append(bigEndian: Int32(1))
        for element in elements { buffer.append(lengthPrefixed: element) }
    }
}

extension Array: PostgresEncodable where Element: PostgresElement {
    public static var postgresType: PostgresType { Element.postgresArrayType }
    public func encode(into buffer: inout [UInt8]) { Element.encodeArray(self, into: &buffer) }
}

/// `[UInt8]` is a `bytea`, so an array of them is a `bytea[]`. No other array nests.
extension Array: PostgresElement where Element == UInt8 {
    public static var postgresArrayType: PostgresType { .byteaArray }
}

extension Optional: PostgresEncodable where Wrapped: PostgresEncodable {
    public static var postgresType: PostgresType { Wrapped.postgresType }
    public var isPostgresNull: Bool { self?.isPostgresNull ?? true }
    public func encode(into buffer: inout [UInt8]) { self?.encode(into: &buffer) }
}

extension Optional: PostgresElement where Wrapped: PostgresElement {
    public static var postgresArrayType: PostgresType { Wrapped.postgresArrayType }
}

extension PostgresEncodable where Self: RawRepresentable, RawValue: PostgresEncodable {
    public static var postgresType: PostgresType { RawValue.postgresType }
    public func encode(into buffer: inout [UInt8]) { rawValue.encode(into: &buffer) }
}

extension PostgresElement where Self: RawRepresentable, RawValue: PostgresElement {
    public static var postgresArrayType: PostgresType { RawValue.postgresArrayType }
}

extension [UInt8] {
    mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    /// Appends a length of four bytes and the value, or the length -1 for null.
    mutating func append(lengthPrefixed value: some PostgresEncodable) {
        let start = count
        append(bigEndian: Int32(-1))
        guard !value.isPostgresNull else { return }
        value.encode(into: &self)
        let length = Int32(truncatingIfNeeded: count - start - 4)
        Swift.withUnsafeBytes(of: length.bigEndian) { replaceSubrange(start..<start + 4, with: $0) }
    }
}
