import TestSupport
import Testing

@testable import Integrations

@Suite("Cutting a file into rows")
struct DelimitedParserTests {
    /// Rows as texts, from a file fed in pieces of `size` bytes.
    private func rows(
        _ bytes: [UInt8], by size: Int = .max, delimiter: Delimiter = .character(UInt8(ascii: ","))
    ) throws -> [[String]] {
        var parser = DelimitedParser(delimiter: delimiter)
        var rows: [[String]] = []
        func keep(_ found: [DelimitedParser.Row]) {
            rows += found.map { $0.fields.map { String(decoding: $0, as: UTF8.self) } }
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            keep(try parser.feed(Array(rest.prefix(size))))
            rest = rest.dropFirst(size)
        }
        keep(try parser.finish())
        return rows
    }

    @Test(
        "a file is cut as RFC 4180 says, in pieces of any size",
        arguments: [
            ("a,b\n1,2\n", [["a", "b"], ["1", "2"]]),
            ("a,b\r\n1,2\r\n", [["a", "b"], ["1", "2"]]),
            ("a,b\r1,2", [["a", "b"], ["1", "2"]]),
            ("\n\r\n a , b \n\n\n1,2\n\n", [["a", "b"], ["1", "2"]]),
            (#""a","b""c","d,e""#, [["a", #"b"c"#, "d,e"]]),
            (
                "\"line one\nline two\r\nline three\",x\ny,z",
                [["line one\nline two\r\nline three", "x"], ["y", "z"]]
            ),
            (",,\n,\"\",", [["", "", ""], ["", "", ""]]),
            ("\" padded \", b ", [[" padded ", "b"]]),
            (#"a"b,c"#, [[#"a"b"#, "c"]]),
            ("\"open,1\n2,3", [["open,1\n2,3"]]),
            ("é,😀\n", [["é", "😀"]]),
            ("\u{FEFF}a,b\n1,2", [["a", "b"], ["1", "2"]]),
            ("\u{FEFF}", []), ("a", [["a"]]), ("", []), ("\u{FEFF}\"a\",b", [["a", "b"]]),
            ("a,\u{FEFF}b", [["a", "\u{FEFF}b"]]),
        ] as [(String, [[String]])])
    func cut(text: String, expected: [[String]]) throws {
        let bytes = Array(text.utf8)
        for size in 1...max(1, bytes.count) {
            #expect(try rows(bytes, by: size) == expected, "pieces of \(size)")
        }
    }

    @Test("columns padded with spaces are cut at every run of them")
    func padded() throws {
        let text =
            " customer_id  date number_of_cds  dollar_value\r\n 00001 19970101  1   11.77\r\n   \r\n2 3 4 5 "
        let expected = [
            ["customer_id", "date", "number_of_cds", "dollar_value"], ["00001", "19970101", "1", "11.77"],
            ["2", "3", "4", "5"],
        ]
        for size in 1...text.utf8.count {
            #expect(try rows(Array(text.utf8), by: size, delimiter: .whitespace) == expected)
        }
    }

    @Test("tabs, semicolons and pipes separate where they are asked to")
    func delimiters() throws {
        for (name, character) in [("tab", "\t"), ("semicolon", ";"), ("pipe", "|"), ("^", "^")] {
            let delimiter = try #require(Delimiter(name))
            let text = "a,x\(character)b\(character)\n"
            #expect(try rows(Array(text.utf8), delimiter: delimiter) == [["a,x", "b", ""]])
            #expect(delimiter.name == name)
        }
        #expect(Delimiter(",") == Delimiter("comma"))
        for text in ["", "::", " ", "\"", "\n", "é", "\u{0}", "spaces"] { #expect(Delimiter(text) == nil) }
    }

    @Test("rows are numbered from 1, and empty lines do not count")
    func numbers() throws {
        var parser = DelimitedParser(delimiter: .character(UInt8(ascii: ",")))
        var found = try parser.feed(Array("a\n\nb\n\"c\nd\"\ne".utf8))
        found += try parser.finish()
        #expect(found.map(\.number) == [1, 2, 3, 4])
    }

    @Test("fed in random pieces, a random file gives the same rows as fed whole")
    func pieces() throws {
        var generator = SeededGenerator(seed: 11)
        let alphabet = Array("ab,,\"\"\n\r \t;é".utf8) + [0, 0xFF]
        for _ in 0..<3000 {
            let bytes = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
                alphabet.randomElement(using: &generator)!
            }
            for delimiter in [Delimiter.character(UInt8(ascii: ",")), .whitespace] {
                let whole = try rows(bytes, delimiter: delimiter)
                let size = Int.random(in: 1...7, using: &generator)
                #expect(try rows(bytes, by: size, delimiter: delimiter) == whole, "\(bytes) by \(size)")
            }
        }
    }

    @Test("a row at the limit is a row, and one beyond it is refused by its number, in pieces of any size")
    func tooLong() throws {
        let limit = DelimitedParser.maximumRowBytes
        let good =
            Array("x\n".utf8) + Array(repeating: UInt8(ascii: "a"), count: limit - 1) + Array("\ny\n".utf8)
        let bad =
            Array("x\n\"".utf8) + Array(repeating: UInt8(ascii: "a"), count: limit) + Array("\"\ny\n".utf8)
        for size in [1000, 65_536, 262_144, Int.max] {
            #expect(try rows(good, by: size).count == 3)
            let failure = #expect(throws: DelimitedParser.Failure.self) { try rows(bad, by: size) }
            #expect(failure?.description.hasPrefix("row 2 has more than") == true)
        }
    }

    @Test("delimiters count: a row of nothing else is given up as soon as it is too long")
    func delimitersOnly() throws {
        for (delimiter, byte) in [(Delimiter.character(UInt8(ascii: ",")), ","), (.whitespace, " ")] {
            var parser = DelimitedParser(delimiter: delimiter)
            let first = try parser.feed(Array("first\n".utf8))
            #expect(first.count == 1)
            let piece = Array(String(repeating: byte, count: DelimitedParser.maximumRowBytes / 4).utf8)
            for _ in 1...4 { #expect(try parser.feed(piece).isEmpty) }
            let failure = #expect(throws: DelimitedParser.Failure.self) {
                for _ in 1...4 { _ = try parser.feed(piece) }
            }
            #expect(failure?.description.hasPrefix("row 2 has more than") == true)
        }
    }

    @Test("a file of the most rows is cut whole, and one row more gives it up, in pieces of any size")
    func tooManyRows() throws {
        #expect(DelimitedParser.maximumRows == 10_000_000)
        let rows = Array("a\nb\nc\n".utf8)
        for size in 1...rows.count {
            var whole = DelimitedParser(delimiter: .whitespace, maximumRows: 3)
            var found = 0
            var cut = DelimitedParser(delimiter: .whitespace, maximumRows: 2)
            var failure: DelimitedParser.Failure?
            for start in stride(from: 0, to: rows.count, by: size) {
                let piece = Array(rows[start..<min(start + size, rows.count)])
                found += try whole.feed(piece).count
                do { _ = try cut.feed(piece) } catch { failure = failure ?? error }
            }
            found += try whole.finish().count
            do { _ = try cut.finish() } catch { failure = failure ?? error }
            #expect(found == 3)
            #expect(failure?.description == "a file has at most 2 rows; split it into several")
        }
    }

    @Test("an unclosed quote does not swallow a file of any size: it is given up")
    func unclosed() throws {
        let line = Array("1,2,3\n".utf8)
        var parser = DelimitedParser(delimiter: .character(UInt8(ascii: ",")))
        _ = try parser.feed(Array("a,b,\"c\n".utf8))
        var fed = 0
        let failure = #expect(throws: DelimitedParser.Failure.self) {
            while fed < 10 * DelimitedParser.maximumRowBytes {
                _ = try parser.feed(line)
                fed += line.count
            }
        }
        #expect("\(failure!)".hasPrefix("row 1 has more than") && "\(failure!)".contains("quote"))
    }
}
