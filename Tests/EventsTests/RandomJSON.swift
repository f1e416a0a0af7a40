import Foundation

@testable import Events

/// Random documents, and a walk over everything in one.
enum RandomJSON {
    static func document(using generator: inout some RandomNumberGenerator, depth: Int) -> String {
        func space() -> String { ["", "", " ", "\n", "\t \r"].randomElement(using: &generator)! }
        let count = Int.random(in: 0...4, using: &generator)
        switch Int.random(in: depth > 0 ? 0...6 : 2...6, using: &generator) {
        case 0:
            let members = (0..<count).map { index in
                let name = string(using: &generator, ending: "\(index)")
                let value = document(using: &generator, depth: depth - 1)
                return "\(space())\(name)\(space()):\(space())\(value)\(space())"
            }
            return "{\(space())\(members.joined(separator: ","))}"
        case 1:
            let elements = (0..<count).map { _ in
                "\(space())\(document(using: &generator, depth: depth - 1))\(space())"
            }
            return "[\(space())\(elements.joined(separator: ","))]"
        case 2: return ["true", "false", "null"].randomElement(using: &generator)!
        case 3: return String(Int32.random(in: .min ... .max, using: &generator))
        case 4:
            let (whole, power) = (Int16.random(in: .min ... .max, using: &generator), count - 2)
            return "\(whole).25e\(power)"
        default: return string(using: &generator, ending: "")
        }
    }

    /// A JSON string; names of one object differ by their `ending`, since decoders differ about repeats.
    private static func string(using generator: inout some RandomNumberGenerator, ending: String) -> String {
        let parts = [
            "a", "Z", " ", "é", "😀", "]", "}", ",", ":", #"\""#, #"\\"#, #"\/"#, #"\b"#, #"\f"#, #"\n"#,
            #"\r"#, #"\t"#, #"\u0041"#, #"\u00E9"#, #"\u20ac"#, #"\uD83D\uDE00"#, #"\u001f"#, "\u{7F}",
        ]
        let text = (0..<Int.random(in: 0...6, using: &generator)).map { _ in
            parts.randomElement(using: &generator)!
        }
        return "\"\(text.joined())\(ending)\""
    }

    /// Reads every value in `text` by all its accessors, and gives how many there are.
    static func walk(_ text: JSONText) throws -> Int {
        var count = 1
        _ = (text.string, text.number, text.bytes, text.kind)
        for (_, value) in text.members { count += try walk(value) }
        for value in text.elements { count += try walk(value) }
        return count
    }
}

/// A JSON value of any shape, as JSONDecoder sees it and as a walk over `JSONText` sees it.
enum AnyJSON: Decodable, Equatable {
    case object([String: AnyJSON])
    case array([AnyJSON])
    case string(String)
    case number(Double)
    case boolean(Bool)
    case null

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([AnyJSON].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: AnyJSON].self))
        }
    }

    init(_ text: JSONText) {
        switch text.kind {
        case .object: self = .object(Dictionary(text.members.map { ($0.name, AnyJSON($0.value)) }) { $1 })
        case .array: self = .array(text.elements.map(AnyJSON.init))
        case .string: self = .string(text.string ?? "no string")
        case .number: self = .number(Double(String(decoding: text.number ?? [], as: UTF8.self)) ?? .nan)
        case .boolean: self = .boolean(Array(text.bytes) == Array("true".utf8))
        case .null: self = .null
        }
    }
}
