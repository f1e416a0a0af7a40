/// A statement whose interpolated values travel as bound parameters, never as text.
///
///     let rows = try await connection.run("select name from brand where id = \(id) and status = \(status)")
///
/// Fragments add up, and a fragment can be interpolated; placeholders are renumbered. What cannot be a
/// parameter is named for what it is: `\(identifier: schema)`, `\(literal: password)`, `\(raw: keyword)`.
public struct SQL: ExpressibleByStringInterpolation, Sendable {
    /// The texts between the parameters; always one more than there are parameters.
    private var pieces: [String]
    private(set) var parameters: Parameters
    /// Whether the text came from literals alone: then the program has a fixed number of such texts, and a
    /// connection may keep it prepared.
    private(set) var isConstant: Bool

    public init(stringLiteral text: String) {
        pieces = [text]
        parameters = Parameters()
        isConstant = true
    }

    public init(stringInterpolation: StringInterpolation) { self = stringInterpolation.sql }

    /// Takes a text that is no literal as it is: never one that holds input.
    public init(raw text: String) {
        self.init(stringLiteral: text)
        isConstant = false
    }

    public static func + (left: SQL, right: SQL) -> SQL {
        var sum = left
        sum += right
        return sum
    }

    public static func += (left: inout SQL, right: SQL) {
        left.append(text: right.pieces[0])
        left.pieces.append(contentsOf: right.pieces.dropFirst())
        left.parameters.append(right.parameters)
        left.isConstant = left.isConstant && right.isConstant
    }

    /// The statement's text with its placeholders, `$1` and on.
    var text: String {
        var text = pieces[0]
        for (index, piece) in pieces.dropFirst().enumerated() { text += "$\(index + 1)\(piece)" }
        return text
    }

    /// The same for people; it shows whatever literals the statement was composed with.
    package var shown: String { text }

    private mutating func append(text: String) { pieces[pieces.count - 1] += text }
}

extension SQL {
    /// Collects a literal's pieces and values.
    public struct StringInterpolation: StringInterpolationProtocol {
        var sql: SQL = ""

        public init(literalCapacity: Int, interpolationCount: Int) {}

        public mutating func appendLiteral(_ literal: String) { sql.append(text: literal) }

        /// Binds `value` to the next parameter.
        public mutating func appendInterpolation(_ value: some PostgresEncodable) {
            sql.parameters.append(value)
            sql.pieces.append("")
        }

        /// Binds `value`, or SQL's null, to the next parameter.
        public mutating func appendInterpolation(_ value: (some PostgresEncodable)?) {
            sql.parameters.append(value)
            sql.pieces.append("")
        }

        /// Inserts another fragment with its parameters.
        public mutating func appendInterpolation(_ fragment: SQL) { sql += fragment }

        /// Inserts `text` as it is: never a text that holds input.
        public mutating func appendInterpolation(raw text: String) { sql += SQL(raw: text) }

        /// Inserts `name` as a quoted identifier, whatever characters it has.
        public mutating func appendInterpolation(identifier name: String) {
            sql += SQL(raw: "\"\(name.replacing("\"", with: "\"\""))\"")
        }

        /// Inserts `value` as a quoted string, for the statements that take no parameters (`alter role …`).
        public mutating func appendInterpolation(literal value: String) {
            let quoted = value.replacing("'", with: "''").replacing("\\", with: "\\\\")
            sql += SQL(raw: value.contains("\\") ? " E'\(quoted)'" : "'\(quoted)'")
        }
    }

    /// What libpq would cut short or refuse, refused before anything is sent.
    func validate() throws(PostgresError) {
        guard pieces.allSatisfy({ !$0.utf8.contains(0) }) else {
            throw PostgresError(sqlState: "22021", message: "a statement cannot hold a zero byte")
        }
        guard parameters.count <= Parameters.maximumCount, parameters.bytes.count <= Int32.max else {
            throw PostgresError(
                sqlState: "54023", message: "a statement has too many or too large parameters")
        }
    }
}

extension SQL: CustomStringConvertible, CustomReflectable {
    /// The text with placeholders if it came from literals, since composed text may hold secrets.
    public var description: String { isConstant ? text : "a composed statement" }
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}

/// The encoded values of a statement's parameters, one after another in one buffer.
struct Parameters: Sendable {
    /// The protocol counts them in 16 bits.
    static let maximumCount = 65_535

    private(set) var types: [UInt32] = []
    /// The length of each value; nil is null.
    private(set) var lengths: [Int?] = []
    private(set) var bytes: [UInt8] = []

    var count: Int { types.count }

    mutating func append<Value: PostgresEncodable>(_ value: Value) {
        types.append(Value.postgresType.rawValue)
        guard !value.isPostgresNull else { return lengths.append(nil) }
        let start = bytes.count
        value.encode(into: &bytes)
        lengths.append(bytes.count - start)
    }

    mutating func append(_ other: Parameters) {
        types += other.types
        lengths += other.lengths
        bytes += other.bytes
    }
}
