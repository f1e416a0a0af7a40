/// Checks bytes against the grammar of RFC 8259, and against what PostgreSQL's jsonb refuses: `\u0000`, lone
/// surrogates, numbers of absurd size. One such event would otherwise fail the whole batch it is written in.
struct JSONGrammar {
    /// Levels of nesting.
    static let maximumDepth = 64
    /// Characters of one number, and its largest decimal exponent.
    static let maximumNumberLength = 128
    static let maximumExponent = 308

    private let bytes: [UInt8]
    private var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// The range of the one value that the bytes hold.
    mutating func document() throws(JSONError) -> Range<Int> {
        skipSpace()
        let start = position
        try value(depth: 0)
        let end = position
        skipSpace()
        guard position == bytes.count else { throw expected("the end") }
        return start..<end
    }

    private mutating func value(depth: Int) throws(JSONError) {
        guard depth < JSONGrammar.maximumDepth else { throw .tooDeep }
        guard position < bytes.count else { throw expected("a value") }
        switch bytes[position] {
        case UInt8(ascii: "{"): try object(depth)
        case UInt8(ascii: "["): try array(depth)
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "t"): try literal("true")
        case UInt8(ascii: "f"): try literal("false")
        case UInt8(ascii: "n"): try literal("null")
        default: try number()
        }
    }

    private mutating func object(_ depth: Int) throws(JSONError) {
        position += 1
        skipSpace()
        if take("}") { return }
        while true {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
                throw expected("a name")
            }
            try string()
            skipSpace()
            guard take(":") else { throw expected("':'") }
            skipSpace()
            try value(depth: depth + 1)
            skipSpace()
            if take("}") { return }
            guard take(",") else { throw expected("',' or '}'") }
        }
    }

    private mutating func array(_ depth: Int) throws(JSONError) {
        position += 1
        skipSpace()
        if take("]") { return }
        while true {
            skipSpace()
            try value(depth: depth + 1)
            skipSpace()
            if take("]") { return }
            guard take(",") else { throw expected("',' or ']'") }
        }
    }

    private mutating func string() throws(JSONError) {
        position += 1
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return
            case UInt8(ascii: "\\"):
                try escape()
            case 0..<0x20:
                throw expected("no control character")
            default:
                position += 1
            }
        }
        throw expected("'\"'")
    }

    private mutating func escape() throws(JSONError) {
        guard position + 1 < bytes.count else { throw expected("an escape") }
        switch bytes[position + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 2
        case UInt8(ascii: "u"):
            try unicodeEscape()
        default:
            throw expected("an escape")
        }
    }

    private mutating func unicodeEscape() throws(JSONError) {
        guard let unit = JSONGrammar.hexUnit(bytes[...], at: position + 2) else {
            throw expected("four hexadecimal digits")
        }
        switch unit {
        case 0, 0xDC00...0xDFFF:
            throw .forbiddenCharacter(byte: position)
        case 0xD800..<0xDC00:
            let next = position + 6
            guard next + 1 < bytes.count, bytes[next] == UInt8(ascii: "\\"),
                bytes[next + 1] == UInt8(ascii: "u"),
                let low = JSONGrammar.hexUnit(bytes[...], at: next + 2), (0xDC00...0xDFFF).contains(low)
            else { throw .forbiddenCharacter(byte: position) }
            position += 12
        default:
            position += 6
        }
    }

    private mutating func number() throws(JSONError) {
        let start = position
        _ = take("-")
        if !take("0") {
            guard digits() > 0 else { throw expected("a value") }
        }
        if take("."), digits() == 0 { throw expected("a digit") }
        var exponent = 0
        if take("e") || take("E") {
            if !take("-") { _ = take("+") }
            let first = position
            guard digits() > 0 else { throw expected("a digit") }
            exponent = Int(String(decoding: bytes[first..<position], as: UTF8.self)) ?? Int.max
        }
        guard position - start <= JSONGrammar.maximumNumberLength, exponent <= JSONGrammar.maximumExponent
        else {
            throw .numberOutOfRange(byte: start)
        }
    }

    private mutating func digits() -> Int {
        let start = position
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
        return position - start
    }

    private mutating func literal(_ text: StaticString) throws(JSONError) {
        let end = position + text.utf8CodeUnitCount
        guard end <= bytes.count,
            text.withUTF8Buffer({ $0.elementsEqual(bytes[position..<end]) })
        else { throw expected("a value") }
        position = end
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: scalar) else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    private func expected(_ what: String) -> JSONError { .syntax(expected: what, byte: position) }
}

extension JSONGrammar {
    /// The four hexadecimal digits at `position` as a number; nil when they are not there.
    static func hexUnit(_ bytes: ArraySlice<UInt8>, at position: Int) -> UInt32? {
        guard position + 4 <= bytes.endIndex else { return nil }
        var unit: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            switch byte {
            case 0x30...0x39: unit = unit << 4 | UInt32(byte - 0x30)
            case 0x41...0x46: unit = unit << 4 | UInt32(byte - 0x41 + 10)
            case 0x61...0x66: unit = unit << 4 | UInt32(byte - 0x61 + 10)
            default: return nil
            }
        }
        return unit
    }

    /// The index behind the value at `start`, in bytes that have passed `document`.
    static func end(ofCheckedValueAt start: Int, in bytes: [UInt8]) -> Int {
        var position = start
        switch bytes[start] {
        case UInt8(ascii: "\""):
            return endOfString(start, bytes)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            var depth = 0
            while true {
                switch bytes[position] {
                case UInt8(ascii: "\""):
                    position = endOfString(position, bytes)
                    continue
                case UInt8(ascii: "{"), UInt8(ascii: "["):
                    depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    depth -= 1
                    if depth == 0 { return position + 1 }
                default:
                    break
                }
                position += 1
            }
        default:
            while position < bytes.count {
                switch bytes[position] {
                case 0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"):
                    return position
                default: position += 1
                }
            }
            return position
        }
    }

    private static func endOfString(_ start: Int, _ bytes: [UInt8]) -> Int {
        var position = start + 1
        while bytes[position] != UInt8(ascii: "\"") {
            position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        return position + 1
    }
}
