import Foundation
import TestSupport
import Testing

@testable import Events

@Suite("Walking JSON")
struct JSONTextTests {
    @Test("a walk sees what JSONDecoder sees, on random documents")
    func agreesWithFoundation() throws {
        var generator = SeededGenerator(seed: 42)
        for _ in 0..<3000 {
            let document = RandomJSON.document(using: &generator, depth: 4)
            let walked = AnyJSON(try JSONText.checking(Array(document.utf8)))
            let decoded = try JSONDecoder().decode(AnyJSON.self, from: Data(document.utf8))
            #expect(walked == decoded, "\(document)")
        }
    }

    @Test("values are handed out as the bytes that were sent")
    func verbatim() throws {
        let text = try JSONText.checking(Array(#" { "a" : { "x" : [ 1.50 , "\u00e9" ] } , "b":1e2 } "#.utf8))
        let values = text.members.map { String(decoding: $0.value.bytes, as: UTF8.self) }
        #expect(values == [#"{ "x" : [ 1.50 , "\u00e9" ] }"#, "1e2"])
        #expect(text.bytes.first == UInt8(ascii: "{") && text.bytes.last == UInt8(ascii: "}"))
    }

    @Test("repeated names are all handed out, in order")
    func repeatedNames() throws {
        let text = try JSONText.checking(Array(#"{"a":1,"b":2,"a":3}"#.utf8))
        #expect(text.members.map(\.name) == ["a", "b", "a"])
        #expect(JSONFields(text, under: nil, doing: "read").repeated == "a")
    }

    @Test("a value of one kind has nothing of another")
    func otherKinds() throws {
        for sample in ["1", "true", "null", #""[1]""#, "{}", "[]"] {
            let text = try JSONText.checking(Array(sample.utf8))
            #expect(Array(text.elements.map(\.bytes)).isEmpty)
            #expect(Array(text.members.map(\.name)).isEmpty)
            #expect((text.string != nil) == (text.kind == .string))
            #expect((text.number != nil) == (text.kind == .number))
        }
    }

    @Test("what is quoted reads back as itself, here and by Foundation")
    func quoting() throws {
        let everyControl = String(String.UnicodeScalarView((1..<0x20).map { Unicode.Scalar(UInt8($0)) }))
        for text in [
            "", "a", #"""#, #"\"#, #"\\u0041"#, "é😀", everyControl, "\u{7F}\u{85}\u{2028}", "a\"b\\c/d\n",
        ] {
            let quoted = JSONText.quoted(text)
            #expect(try JSONText.checking(quoted).string == text)
            #expect(try JSONDecoder().decode([String].self, from: Data([0x5B] + quoted + [0x5D])) == [text])
        }
        let object = JSONText.object([("a\"", JSONText.quoted("b")), ("c", Array("[1]".utf8))])
        #expect(String(decoding: object, as: UTF8.self) == #"{"a\"":"b","c":[1]}"#)
        #expect(String(decoding: JSONText.object([]), as: UTF8.self) == "{}")
    }
}
