import ConstIntelCommand
import Foundation
import Testing

@Suite struct RenderingTests {
    @Test("columns are aligned, numbers to the right, without blanks at a line's end")
    func aligned() {
        let table = Table([.init("slug"), .init("orders", .right)], rows: [["demo", "7"], ["a", "69659"]])
        #expect(table.lines(styled: false) == ["SLUG  ORDERS", "demo       7", "a      69659"])
    }

    @Test("only headings are styled, and only when asked")
    func styled() {
        let lines = Table([.init("slug")], rows: [["demo"]]).lines(styled: true)
        #expect(lines == ["\u{1B}[1mSLUG\u{1B}[0m", "demo"])
    }

    @Test("wide characters take two columns")
    func wide() {
        let table = Table([.init("name"), .init("x")], rows: [["京都", "1"], ["abcd", "2"]])
        #expect(table.lines(styled: false) == ["NAME  X", "京都  1", "abcd  2"])
    }

    @Test("what a service sends cannot steer the terminal")
    func controlCharacters() {
        let table = Table([.init("name")], rows: [["a\u{1B}[2Jb\nc\u{202E}"]])
        #expect(table.lines(styled: false)[1] == "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}")
    }

    @Test("a description leaves out what is absent and aligns the rest")
    func description() {
        let lines = Description([("slug", "demo"), ("domain", nil), ("time zone", "UTC")]).lines
        #expect(lines == ["slug       demo", "time zone  UTC"])
    }

    @Test("any JSON becomes columns: those that are there, in words")
    func jsonTable() throws {
        let json =
            #"[{"id":"1","identifiers":[{"kind":"email","value":"a@b.com"}],"totalOrders":2,"gone":null},"#
            + #"{"id":"2","identifiers":{"phone":"1","email":"x"}}]"#
        let items = try JSONDecoder().decode([JSONValue].self, from: Data(json.utf8))
        let table = JSONValue.table(items, columns: ["id", "identifiers", "totalOrders", "gone"])
        #expect(
            table.lines(styled: false) == [
                "ID  IDENTIFIERS       TOTAL ORDERS", "1   email=a@b.com     2", "2   email=x, phone=1  ",
            ])
    }

    @Test(
        "progress shows part, amount and speed, and is shorter than the terminal",
        arguments: [20, 40, 60, 80, 200])
    func progress(width: Int) {
        let bar = ProgressBar(label: "uploading orders.csv", done: 1_500_000, total: 3_000_000, unit: "bytes")
        let line = bar.line(elapsed: .seconds(3), width: width)
        #expect(line.count < width)
        if width == 80 {
            #expect(line == "uploading orders.csv  [##########----------]  50%  1.5 MB of 3.0 MB  500.0 kB/s")
        }
        if width == 200 { #expect(line.contains("[####################--------------------]")) }
    }

    @Test("progress without a known end counts, and with a total of nothing does not divide by it")
    func unknownTotal() {
        let unknown = ProgressBar(label: "import", done: 12_345, total: nil, unit: "rows")
        #expect(unknown.line(elapsed: .zero, width: 80) == "import  12,345 rows")
        let empty = ProgressBar(label: "import", done: 0, total: 0, unit: "rows")
        #expect(empty.line(elapsed: .seconds(9), width: 80) == "import  0 of 0 rows")
        let over = ProgressBar(label: "import", done: 9, total: 3, unit: "rows")
        #expect(over.line(elapsed: .zero, width: 80).contains("100%"))
    }

    @Test(
        "thousands are set apart",
        arguments: [(0, "0"), (999, "999"), (69_659, "69,659"), (-1_000_000, "-1,000,000")])
    func thousands(value: Int64, text: String) {
        #expect(grouped(value) == text)
    }
}
