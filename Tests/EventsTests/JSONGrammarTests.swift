import Foundation
import TestSupport
import Testing

@testable import Events

@Suite("The JSON that is accepted")
struct JSONGrammarTests {
    @Test(
        "RFC 8259 is accepted",
        arguments: [
            "{}", "[]", " \t\r\n{ } \n", #""""#, "0", "-0", "-0.0", "0e0", "1E+2", "1e-2", "0.1", "123456789",
            "true", "false",
            "null", "[1,2 , 3]", #"{"a":1,"a":2}"#, #"{"":""}"#, #""\"\\\/\b\f\n\r\t""#, #""\u0001""#,
            #""\u00e9""#,
            #""\uD83D\uDE00""#, #""\ud83d\ude00""#, "\"\u{7F}\"", "\"é😀\"", "\"\u{2028}\"", #""\uFFFF""#,
            "[[[[[[[[[[]]]]]]]]]]", #"{"a":{"b":[{"c":null}]}}"#, "1e308", "1E-308", "\"/\"",
        ])
    func accepted(text: String) throws {
        let bytes = Array(text.utf8)
        #expect(throws: Never.self) { try JSONText.checking(bytes) }
        #expect(throws: Never.self, "Foundation agrees") {
            try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
        }
    }

    @Test(
        "whatever else looks like JSON is refused",
        arguments: [
            "", " ", "{", "}", "[", "]", "{]", "[}", "[1,]", "[,1]", "[1 2]", "[1,,2]", "{,}", #"{"a"}"#,
            #"{"a":}"#,
            #"{"a":1,}"#, #"{"a" 1}"#, #"{"a":1 "b":2}"#, "{a:1}", "{'a':1}", #"{1:2}"#, "{}{}", "{} x",
            "1 2", "[]]",
            "01", "-01", "00", "-", "+1", ".5", "1.", "1.e2", "1e", "1e+", "1e+-2", "0x10", "1_000", "NaN",
            "Infinity",
            "-Infinity", "tru", "truee", "True", "nul", "nulll", "undefined", "'a'", #"""#, #""a"#, #""\"#,
            #""\""#,
            #""\x41""#, #""\a""#, #""\u""#, #""\u12""#, #""\u123g""#, #""\U0041""#, "\"\n\"", "\"\t\"",
            "\"\u{1}\"",
            "// x\n{}", "/* */{}", "{}//", "\u{FEFF}{}", "\u{A0}{}", "{}\u{0}", "\u{0}", #"{"a":1}}"#,
            "[1]\u{B}",
        ])
    func refused(text: String) {
        let error = #expect(throws: JSONError.self) { try JSONText.checking(Array(text.utf8)) }
        guard case .syntax = error else { Issue.record("\(String(describing: error))"); return }
    }

    @Test(
        "what jsonb cannot hold is refused at its place",
        arguments: [
            #""\u0000""#, #"{"\u0000":1}"#, #""\uD800""#, #""\uDC00""#, #""\uD83D x""#, #""\uD83D\n""#,
            #""\uD83D\u0041""#, #""\uD83D\uD83D\uDE00""#, #""\uDE00\uD83D""#, #""\uD83D"#, #""\uD83D\"#,
            #""\uD83D\u"#,
        ])
    func forbidden(text: String) {
        let error = #expect(throws: JSONError.self) { try JSONText.checking(Array(text.utf8)) }
        guard case .forbiddenCharacter(let byte) = error else {
            Issue.record("\(String(describing: error))"); return
        }
        #expect(Array(text.utf8)[byte] == UInt8(ascii: "\\"))
    }

    @Test("bytes that are not UTF-8 are refused")
    func encoding() {
        let wrong: [[UInt8]] = [
            [0xFF], [0xC0, 0xAF], [0xE0, 0x80, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80],
            [0xC3],
            [0xF0, 0x9F, 0x98],
        ]
        for bytes in wrong {
            #expect(throws: JSONError.notUTF8) { try JSONText.checking([0x22] + bytes + [0x22]) }
        }
        #expect(throws: JSONError.notUTF8) { try JSONText.checking([0xFF, 0xFE] + Array("{}".utf8)) }
    }

    @Test("64 levels are accepted and 65 are not; a hundred thousand are refused without a trap")
    func depth() {
        func nested(_ levels: Int, _ open: String, _ close: String) -> [UInt8] {
            Array(
                (String(repeating: open, count: levels) + "1" + String(repeating: close, count: levels)).utf8)
        }
        for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
            #expect(throws: Never.self) { try JSONText.checking(nested(63, open, close)) }
            #expect(throws: JSONError.tooDeep) { try JSONText.checking(nested(64, open, close)) }
            #expect(throws: JSONError.tooDeep) { try JSONText.checking(nested(100_000, open, close)) }
        }
        #expect(throws: JSONError.tooDeep) {
            try JSONText.checking(Array(repeating: UInt8(ascii: "["), count: 1 << 20))
        }
    }

    @Test(
        "a number beyond every measure is refused",
        arguments: [
            "1e309", "1e-309", "-1E+999", "1e99999999999999999999999999", String(repeating: "9", count: 129),
            "0." + String(repeating: "1", count: 127),
        ])
    func numbers(text: String) {
        #expect(throws: JSONError.numberOutOfRange(byte: 1)) {
            try JSONText.checking(Array("[\(text)]".utf8))
        }
    }

    @Test("a number of 128 characters is accepted")
    func longNumber() {
        #expect(throws: Never.self) { try JSONText.checking(Array(String(repeating: "9", count: 128).utf8)) }
    }

    @Test("cut at any byte, a document is refused, and nothing traps")
    func truncated() {
        let sample = Array(
            #"{"a":[1,-2.5e+10,true,false,null],"b\u00e9\"":{"c":"\uD83D\uDE00 é😀\n"},"d":[[],{}],"e":0}"#
                .utf8)
        #expect(throws: Never.self) { try JSONText.checking(sample) }
        for length in 0..<sample.count {
            #expect(throws: JSONError.self) { try JSONText.checking(Array(sample[..<length])) }
            _ = try? JSONText.checking(Array(sample[length...]))
        }
    }

    @Test("damaged at random, a document is refused or walked, and nothing traps")
    func fuzz() throws {
        var generator = SeededGenerator(seed: 20_260_131)
        let tokens =
            Array(#"{}[]",:\u0dD8Cc123eE+-. truefalsn"#.utf8) + [0, 0x1F, 0x7F, 0xC3, 0xA9, 0xED, 0xA0, 0xFF]
        var walked = 0
        for round in 0..<20_000 {
            var bytes = Array(RandomJSON.document(using: &generator, depth: 3).utf8)
            for _ in 0..<Int.random(in: round % 4 == 0 ? 0...0 : 1...3, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[place] = tokens.randomElement(using: &generator)!
                case 1: bytes.insert(tokens.randomElement(using: &generator)!, at: place)
                default: if bytes.count > 1 { bytes.remove(at: place) }
                }
            }
            guard let text = try? JSONText.checking(bytes) else { continue }
            walked += try RandomJSON.walk(text)
        }
        #expect(walked > 5000)
    }
}
