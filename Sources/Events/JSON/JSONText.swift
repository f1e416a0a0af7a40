/// A value inside a JSON document that has been checked, as the bytes it was sent in.
///
/// Intake keeps `properties` exactly as they came, so nothing is decoded that nobody asks for. A document is
/// checked once, whole (`JSONText.checking`); after that, walking it cannot fail.
public struct JSONText: Sendable {
    /// What a value is.
    public enum Kind: Sendable {
        case object, array, string, number, boolean, null
    }

    let document: [UInt8]
    let range: Range<Int>

    /// Checks a whole document: RFC 8259, and what PostgreSQL's jsonb can hold (see `JSONGrammar`).
    public static func checking(_ bytes: [UInt8]) throws(JSONError) -> JSONText {
        guard String(validating: bytes, as: UTF8.self) != nil else { throw .notUTF8 }
        var grammar = JSONGrammar(bytes: bytes)
        let range = try grammar.document()
        return JSONText(document: bytes, range: range)
    }

    /// `{}`.
    static let emptyObject = JSONText(document: Array("{}".utf8), range: 0..<2)

    /// The value of `true` or `false`; nil for anything else.
    public var boolean: Bool? { kind == .boolean ? document[range.lowerBound] == UInt8(ascii: "t") : nil }

    /// What this value is.
    public var kind: Kind {
        switch document[range.lowerBound] {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .boolean
        case UInt8(ascii: "n"): .null
        default: .number
        }
    }

    /// The value as it was sent.
    public var bytes: ArraySlice<UInt8> { document[range] }

    /// The characters of a string, escapes resolved; nil for other kinds.
    public var string: String? {
        guard kind == .string else { return nil }
        let inside = document[range.lowerBound + 1..<range.upperBound - 1]
        guard inside.contains(UInt8(ascii: "\\")) else { return String(decoding: inside, as: UTF8.self) }
        return JSONText.unescape(inside)
    }

    /// The literal of a number; nil for other kinds.
    public var number: ArraySlice<UInt8>? { kind == .number ? bytes : nil }

    /// The members of an object, in order, repeated names included; empty for other kinds.
    public var members: Members { Members(text: self) }

    /// The elements of an array; empty for other kinds.
    public var elements: Elements { Elements(text: self) }

    private static func unescape(_ bytes: ArraySlice<UInt8>) -> String {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var position = bytes.startIndex
        while position < bytes.endIndex {
            let byte = bytes[position]
            guard byte == UInt8(ascii: "\\") else {
                result.append(byte)
                position += 1
                continue
            }
            switch bytes[position + 1] {
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "u"):
                var unit = JSONGrammar.hexUnit(bytes, at: position + 2) ?? 0
                if (0xD800..<0xDC00).contains(unit) {
                    let low = JSONGrammar.hexUnit(bytes, at: position + 8) ?? 0
                    unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
                    position += 6
                }
                if let scalar = Unicode.Scalar(unit) { result.append(contentsOf: UTF8.encode(scalar)!) }
                position += 4
            case let literal: result.append(literal)
            }
            position += 2
        }
        return String(decoding: result, as: UTF8.self)
    }
}

extension JSONText {
    /// Walks an object.
    public struct Members: Sequence, IteratorProtocol {
        private let text: JSONText
        private var position: Int

        init(text: JSONText) {
            self.text = text
            position = text.kind == .object ? text.range.lowerBound + 1 : text.range.upperBound
        }

        public mutating func next() -> (name: String, value: JSONText)? {
            guard let name = text.value(after: &position) else { return nil }
            guard let value = text.value(after: &position) else { return nil }
            return (name.string ?? "", value)
        }
    }

    /// Walks an array.
    public struct Elements: Sequence, IteratorProtocol {
        private let text: JSONText
        private var position: Int

        init(text: JSONText) {
            self.text = text
            position = text.kind == .array ? text.range.lowerBound + 1 : text.range.upperBound
        }

        public mutating func next() -> JSONText? { text.value(after: &position) }
    }

    /// The next value at or after `position`, which moves past it; nil at the end of the container.
    private func value(after position: inout Int) -> JSONText? {
        while position < range.upperBound - 1 {
            switch document[position] {
            case 0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: ","), UInt8(ascii: ":"):
                position += 1
            default:
                let start = position
                position = JSONGrammar.end(ofCheckedValueAt: start, in: document)
                return JSONText(document: document, range: start..<position)
            }
        }
        return nil
    }
}

/// Why bytes are not acceptable JSON.
public enum JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    case notUTF8
    case syntax(expected: String, byte: Int)
    /// A null character or half of a surrogate pair: jsonb cannot hold it.
    case forbiddenCharacter(byte: Int)
    /// A number of more digits than any measure has, or beyond a double's range.
    case numberOutOfRange(byte: Int)
    case tooDeep

    public var description: String {
        switch self {
        case .notUTF8: "the text is not valid UTF-8"
        case .syntax(let expected, let byte): "not valid JSON: expected \(expected) at byte \(byte)"
        case .forbiddenCharacter(let byte):
            "a string has a null character or half of a surrogate pair at byte \(byte)"
        case .numberOutOfRange(let byte): "a number is out of range at byte \(byte)"
        case .tooDeep: "the JSON is nested deeper than \(JSONGrammar.maximumDepth) levels"
        }
    }
}
