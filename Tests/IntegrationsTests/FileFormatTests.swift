import Foundation
import Kernel
import Testing

@testable import Integrations

@Suite("How a file is written")
struct FileFormatTests {
    private static let text = "name,city\nJosé,Zürich\n\"a, b\",Łódź\n"

    private func format(_ bytes: [UInt8]) throws -> FileFormat {
        try FileFormat(of: bytes, encoding: nil, delimiter: nil)
    }

    /// The rows of a file that arrives in pieces.
    private func rows(
        _ bytes: [UInt8], _ encoding: TextEncoding, by size: Int = .max
    ) throws -> [[String]] {
        var decoder = try TextDecoder(encoding)
        var parser = DelimitedParser(delimiter: .character(UInt8(ascii: ",")))
        var rows: [DelimitedParser.Row] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            rows += try parser.feed(decoder.decode(Array(rest.prefix(size))))
            rest = rest.dropFirst(size)
        }
        rows += try parser.feed(decoder.finish())
        rows += try parser.finish()
        return rows.map { $0.fields.map { String(decoding: $0, as: UTF8.self) } }
    }

    private func encoded(_ text: String, _ encoding: String.Encoding) throws -> [UInt8] {
        Array(try #require(text.data(using: encoding)))
    }

    @Test("a byte order mark, or what the bytes can only be, shows the encoding")
    func encodings() throws {
        let text = FileFormatTests.text
        let western = "name,city\nJosé,Zürich\n"
        #expect(try format(Array(text.utf8)).encoding == .utf8)
        #expect(try format([0xEF, 0xBB, 0xBF] + Array(text.utf8)).encoding == .utf8)
        #expect(try format(try encoded(text, .utf16LittleEndian)).encoding == .utf16LittleEndian)
        #expect(try format(try encoded(text, .utf16BigEndian)).encoding == .utf16BigEndian)
        #expect(try format([0xFF, 0xFE] + encoded(text, .utf16LittleEndian)).encoding == .utf16LittleEndian)
        #expect(try format([0xFE, 0xFF] + encoded(text, .utf16BigEndian)).encoding == .utf16BigEndian)
        #expect(try format(try encoded(western, .windowsCP1252)).encoding == .windows1252)
        #expect(try format(Array("plain,text\n".utf8)).encoding == .utf8)
        #expect(try format(try encoded("name\nAnn\nJosé\r\n", .windowsCP1252)).encoding == .windows1252)
        // The end of a sample may cut a character.
        #expect(try format(Array(Array("a,é".utf8).dropLast())).encoding == .utf8)
    }

    @Test("every encoding is read in pieces of any size as it is whole, mark or not")
    func pieces() throws {
        let expected = [["name", "city"], ["José", "Zürich"], ["a, b", "Łódź"]]
        for mark in [[], [0xFF, 0xFE]] as [[UInt8]] {
            let bytes = mark + (try encoded(FileFormatTests.text, .utf16LittleEndian))
            for size in 1...9 { #expect(try rows(bytes, .utf16LittleEndian, by: size) == expected) }
        }
        let eastern = try encoded("Łódź,ąę\n", .windowsCP1250)
        #expect(try rows(eastern, .windows1250) == [["Łódź", "ąę"]])
        #expect(try rows(try encoded("Привет,мир\n", .windowsCP1251), .windows1251) == [["Привет", "мир"]])
        let japanese = try encoded("東京,大阪\n", .shiftJIS)
        for size in 1...japanese.count {
            #expect(try rows(japanese, .shiftJIS, by: size) == [["東京", "大阪"]])
        }
    }

    @Test("what is no character of the encoding makes its own row wrong, and no other")
    func invalid() throws {
        // 0x81 has no meaning in Windows-1252; a lone surrogate none in UTF-16; the last character is cut.
        var decoder = try TextDecoder(.windows1252)
        #expect(decoder.decode([0x61, 0x81, 0x62]) == [0x61, 0xFF, 0x62])
        var wide = try TextDecoder(.utf16LittleEndian)
        #expect(wide.decode([0x61, 0, 0x00, 0xDC, 0x62, 0, 0x63]) == [0x61, 0xFF, 0x62])
        #expect(wide.finish() == [0xFF])
    }

    @Test("every encoding that can be named can be read here")
    func available() throws {
        for encoding in TextEncoding.allCases {
            var decoder = try TextDecoder(encoding)
            let letters: [UInt8] =
                encoding.unitBytes == 1 ? [0x61] : encoding == .utf16BigEndian ? [0, 0x61] : [0x61, 0]
            #expect(decoder.decode(letters) == [0x61], "\(encoding)")
            #expect(TextEncoding(name: encoding.rawValue.uppercased()) == encoding)
        }
    }

    @Test(
        "the delimiter is the one by which rows have as many columns as the header, and that are the most",
        arguments: [
            ("a,b\n1,2\n", "comma"), ("a;b\n1,5;2,5\n", "semicolon"), ("a\tb\n1, 2\t3\n", "tab"),
            ("a|b|c\n1|2|3\n", "pipe"), ("a,b;c\n1,2;3\n", "comma"), ("a,b;c,d\n1;2,3\n4,5;6\n", "semicolon"),
            ("\"x;y\",b\n\"1;2;3\",2\n", "comma"), ("one\n1\n2\n", "comma"), ("one", "comma"),
            (" id  date \n 1 1997\n 2 1998\n", "whitespace"), ("name\nAnn Lee\n", "comma"),
            ("a;b\n1;2\n3,4;5\n\"6;7", "semicolon"),
        ])
    func delimiters(text: String, expected: String) throws {
        #expect(try format(Array(text.utf8)).delimiter.name == expected)
    }

    @Test("what was asked for is not found out")
    func asked() throws {
        let found = try FileFormat(
            of: Array("a,b\n1,2\n".utf8), encoding: .latin1, delimiter: Delimiter("semicolon"))
        #expect(found.encoding == .latin1 && found.delimiter.name == "semicolon")
        #expect(throws: Fault.self) {
            try FileFormat(
                of: Array("caf".utf8) + [0xFF, 0x20, 0x20, 0x20, 0x20], encoding: .utf8, delimiter: nil)
        }
    }
}
