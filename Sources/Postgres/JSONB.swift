/// A JSON text on its way to or from a `jsonb` (or `json`) column, as UTF-8 and not parsed.
///
/// The server checks it: malformed JSON, `\u0000` and lone surrogates are a data error (class 22).
public struct JSONB: Hashable, Sendable {
    public let bytes: [UInt8]

    public init(bytes: [UInt8]) { self.bytes = bytes }
    public init(_ text: String) { bytes = Array(text.utf8) }

    /// The JSON text.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The version that begins every binary `jsonb`.
    static let version: UInt8 = 1
}

extension JSONB: PostgresElement {
    public static var postgresType: PostgresType { .jsonb }
    public static var postgresArrayType: PostgresType { .jsonbArray }

    public func encode(into buffer: inout [UInt8]) {
        buffer.append(JSONB.version)
        buffer.append(contentsOf: bytes)
    }
}

extension JSONB: PostgresDecodable {
    public init(postgres bytes: RawSpan, type: PostgresType) throws {
        switch type {
        case .json: self.init(bytes: bytes.array())
        case .jsonb:
            guard bytes.byteCount > 0, try bytes.integer(at: 0, as: UInt8.self) == JSONB.version else {
                throw PostgresMismatch.malformed("an unknown version of jsonb")
            }
            self.init(bytes: bytes.array(from: 1))
        default: throw PostgresMismatch.type
        }
    }
}
