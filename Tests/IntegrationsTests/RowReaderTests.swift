import Events
import Kernel
import Testing

@testable import Integrations

@Suite("Making events of rows")
struct RowReaderTests {
    private static let receivedAt = Timestamp(rfc3339: "2026-01-31T10:00:00Z")!

    private func options(_ query: [String: [String]] = [:]) throws -> ImportOptions {
        var query = query
        if query["map"] == nil { query["map"] = ["loyalty_id:customer", "occurredAt:date", "total:value"] }
        return try ImportOptions(query: { query[$0] ?? [] }, timeZone: "UTC")
    }

    /// What becomes of each row of a file.
    private func read(_ text: String, _ query: [String: [String]] = [:]) throws -> [RowReader.Reading] {
        let options = try options(query)
        var parser = DelimitedParser(delimiter: try #require(Delimiter(options.delimiter ?? "comma")))
        var rows = try parser.feed(Array(text.utf8))
        rows += try parser.finish()
        var reader = try RowReader(
            options: options, first: rows[0].fields, isTest: false, receivedAt: RowReaderTests.receivedAt)
        return rows.dropFirst(options.hasHeader ? 1 : 0).map { reader.read($0) }
    }

    private func keys(_ text: String, _ query: [String: [String]] = [:]) throws -> [String] {
        try read(text, query).compactMap { if case .event(let event) = $0 { event.key } else { nil } }
    }

    private func reason(_ text: String, _ query: [String: [String]] = [:]) throws -> String {
        guard case .rejected(let reason) = try #require(try read(text, query).first) else {
            return "it was taken"
        }
        return reason
    }

    @Test("a row becomes an event of its columns")
    func event() throws {
        let readings = try read(
            "customer,date,value,size\nC1,20260102,29.33,M\n", ["source": ["pos"], "channel": ["store"]])
        guard case .event(let event) = try #require(readings.first) else {
            Issue.record("\(readings)"); return
        }
        #expect(event.type == .purchase && event.source == "pos" && event.channel == "store" && !event.isTest)
        #expect(event.occurredAt == Timestamp(rfc3339: "2026-01-02T00:00:00Z"))
        #expect(event.receivedAt == RowReaderTests.receivedAt)
        #expect(event.identifiers == [SentIdentifier(kind: .loyaltyID, value: "C1")])
        #expect(String(decoding: event.properties, as: UTF8.self) == #"{"total":"29.33"}"#)
    }

    @Test("columns are found by name, or by number where there is no header or no such name")
    func columns() throws {
        #expect(try keys("a,b\n1,2", ["map": ["email:a", "total:2"]]).count == 1)
        #expect(try keys("x@y.z,2", ["header": ["false"], "map": ["email:1", "total:2"]]).count == 1)
        #expect(
            try keys("2,1\nx@y.z,5", ["map": ["email:2", "total:1"]]).count == 1,
            "a name goes before a number")
        for (map, header) in [
            ("email:0", "true"), ("email:3", "true"), ("email:mail", "true"), ("email:3", "false"),
        ] {
            let fault = #expect(throws: Fault.self) {
                try read("a,b\n1,2", ["header": [header], "map": [map]])
            }
            #expect(fault?.field == "map")
        }
    }

    @Test("a plus in a column's name may be a space that was encoded, where no column has the plus")
    func plusForSpace() throws {
        let map = ["map": ["email:Customer+Email", "total:Total"]]
        #expect(try keys("Customer Email,Total\na@b.c,5", map).count == 1)
        let readings = try read("Customer Email,Customer+Email,Total\nspace@b.c,plus@b.c,5", map)
        guard case .event(let event) = try #require(readings.first) else {
            Issue.record("\(readings)"); return
        }
        #expect(event.identifiers == [SentIdentifier(kind: .email, value: "plus@b.c")])
        let fault = #expect(throws: Fault.self) { try read("CustomerEmail,Total\na@b.c,5", map) }
        #expect(fault?.detail.contains("no column 'Customer+Email'") == true)
    }

    @Test("with the wrong delimiter, the fault lists the columns that were found")
    func wrongDelimiter() throws {
        let fault = #expect(throws: Fault.self) { try read("customer;date;value\n1;2;3") }
        #expect(fault?.detail.contains("'customer;date;value'") == true)
        #expect(fault?.detail.contains("delimiter 'comma'") == true)
    }

    @Test("rows that are equal are distinct, and every row of a file has a key of its own")
    func equalRows() throws {
        let rows = String(repeating: "C1,20260102,5\n", count: 255) + "C2,20260102,5\n"
        #expect(Set(try keys("customer,date,value\n" + rows)).count == 256)
    }

    @Test("the key of a row is its hash and its turn, the same in every release")
    func stableKeys() throws {
        let hash = "495d0d63f7a00c2e31486edb6b293f96"
        #expect(
            try keys("customer,date,value\nC1,20260102,5\nC1,20260102,5\n") == ["\(hash)-0", "\(hash)-1"])
    }

    @Test(
        "a file with rows appended has the old keys and new ones; its name and line ends change none"
    )
    func appended() throws {
        let first = "customer,date,value\nC1,20260102,5\nC1,20260102,5\nC2,20260103,7\n"
        let old = try keys(first, ["fileName": ["january.csv"]])
        let new = try keys(
            (first + "C1,20260102,5\nC3,20260104,1\n").replacing("\n", with: "\r\n"),
            ["fileName": ["february.csv"]])
        #expect(old.count == 3)
        #expect(Array(new.prefix(3)) == old)
        #expect(Set(new).count == 5)
        #expect(try keys("\u{FEFF}" + first) == old)
        #expect(try keys("customer,date,value\nC2,20260103,7\nC1,20260102,5\n") == [old[2], old[0]])
    }

    @Test("a row that brings its own id is known by it, and a second row of that id is a repetition")
    func ownID() throws {
        let map = ["map": ["eventId:id", "email:mail", "total:value"]]
        let readings = try read("id,mail,value\nA,a@b.c,1\nA,a@b.c,2\n,a@b.c,1\n,a@b.c,1\n", map)
        var kinds: [String] = []
        for reading in readings {
            switch reading {
            case .event(let event): kinds.append(event.key == "A" ? "own" : "content")
            case .repeated: kinds.append("repeated")
            case .rejected(let reason): kinds.append(reason)
            }
        }
        #expect(kinds == ["own", "repeated", "content", "content"])
    }

    @Test("ids that differ in their bytes alone are two ids")
    func canonicallyEqualIDs() throws {
        let map = ["map": ["eventId:id", "total:value"]]
        #expect(try keys("id,value\n\u{E9},1\ne\u{301},1\n", map).count == 2)
    }

    @Test("each row that is not taken says why")
    func rejected() throws {
        let header = "customer,date,value\n"
        #expect(try reason(header + "C1,20260102") == "it has 2 columns, and the file has 3")
        #expect(try reason(header + "C1,20260102,5,6") == "it has 4 columns, and the file has 3")
        #expect(try reason(header + "C1,19970230,5").hasPrefix("occurredAt: '19970230' is not a date"))
        #expect(try reason(header + "C1,18990101,5").hasPrefix("occurredAt: it lies before 1900"))
        #expect(try reason(header + "C1,20300101,5").hasPrefix("occurredAt: it lies more than a day ahead"))
        #expect(
            try reason(header + "C1,999999-01-01,5").hasPrefix("occurredAt: '999999-01-01' is not a date"))
        #expect(try reason(header + "C1,20260102,five").hasPrefix("properties.total: expected a decimal"))
        #expect(
            try reason(header + "C1,20260102,-5").hasPrefix("properties.total: an amount is not negative"))
        #expect(try reason(header + "C1,20260102,").hasPrefix("properties.total: a purchase has a total"))
        #expect(try reason(header + "C1\u{0},20260102,5") == "it has a null character")
        #expect(
            try reason(header + "\"C\n1\",20260102,5").hasPrefix("identifiers.loyalty_id: it has a control"))
        #expect(try reason(header + ",20260102,5", ["type": ["store_visit"]]).hasPrefix("identifiers: "))
        let typed = ["map": ["type:kind", "email:mail"]]
        #expect(try reason("kind,mail\nbuy,a@b.c", typed).hasPrefix("type: there is no type 'buy'"))
    }

    @Test("a row that is not UTF-8 is rejected, and its neighbours are taken")
    func encoding() throws {
        var reader = try RowReader(
            options: try options(["map": ["total:value"]]), first: [Array("value".utf8)], isTest: true,
            receivedAt: RowReaderTests.receivedAt)
        guard case .rejected(let reason) = reader.read(.init(number: 2, fields: [[0x31, 0xFF]])) else {
            Issue.record("it was taken"); return
        }
        #expect(reason == "it is not UTF-8; if the whole file is not, name its encoding")
        guard case .event(let event) = reader.read(.init(number: 3, fields: [Array("1".utf8)])) else {
            Issue.record("it was not taken"); return
        }
        #expect(event.isTest)
    }

    @Test("a guest's purchase is taken, and an empty field is a field that is absent")
    func guest() throws {
        let readings = try read("customer,date,value\n,,5\n")
        guard case .event(let event) = try #require(readings.first) else {
            Issue.record("\(readings)"); return
        }
        #expect(event.identifiers.isEmpty && event.occurredAt == RowReaderTests.receivedAt)
    }

    @Test("a row that is mended in a report of rejected rows is the same row as in its file")
    func reportedRows() throws {
        let file = try keys("customer,date,value\nC1,20260102,1\nC2,20260102,2\n")
        let report = try keys(
            "constintel_row,constintel_reason,customer,date,value\n3,\"total: it was x\",C2,20260102,2\n")
        #expect(report == [file[1]])
    }

    @Test("what a report is written as, is read as it was")
    func written() throws {
        let rows = [["a", "b \"c\"", ""], ["line\nend", "é, ü", " padded "]]
        var parser = DelimitedParser(delimiter: .character(UInt8(ascii: ",")))
        var found = try parser.feed(rows.flatMap { DelimitedWriter.row($0) })
        found += try parser.finish()
        #expect(found.map { $0.fields.map { String(decoding: $0, as: UTF8.self) } } == rows)
    }

    @Test("a column is consent to a purpose, of the identifier of its kind, in the words that files have")
    func consent() throws {
        let map = [
            "map": ["email:mail", "consent.email.marketing:news", "consent.email.sms.alerts:alerts"],
            "kind": ["profiles"],
        ]
        let readings = try read("mail,news,alerts\na@b.c,Yes,0\nb@b.c,,\nc@b.c,perhaps,\n", map)
        guard case .event(let event) = readings[0], case .event(let silent) = readings[1],
            case .rejected(let reason) = readings[2]
        else {
            Issue.record("\(readings)"); return
        }
        #expect(event.type == .identify && event.source == "csv.profiles")
        #expect(
            String(decoding: event.properties, as: UTF8.self)
                == #"{"consent":{"email":{"marketing":true,"sms.alerts":false}}}"#)
        #expect(String(decoding: silent.properties, as: UTF8.self) == "{}")
        #expect(reason.contains("expected true or false"))
    }
}
