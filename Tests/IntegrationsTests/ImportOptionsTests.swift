import Foundation
import Kernel
import Testing

@testable import Integrations

@Suite("The options of an import")
struct ImportOptionsTests {
    private func read(_ query: [String: [String]]) throws -> ImportOptions {
        var query = query
        if query["map"] == nil { query["map"] = ["total:amount"] }
        return try ImportOptions(query: { query[$0] ?? [] }, timeZone: "Asia/Kolkata")
    }

    @Test("what is not chosen has a default")
    func defaults() throws {
        let options = try read([:])
        #expect(
            options.delimiter == nil && options.encoding == nil && options.hasHeader
                && options.type == "purchase")
        #expect(options.dateFormat == nil && options.timeZone == "Asia/Kolkata")
        #expect(options.source == "csv" && options.channel == "csv" && options.fileName == "upload.csv")
        #expect(options.mappings == [.init(target: "properties.total", column: "amount")])
        #expect(try read(["dateFormat": ["auto"]]).dateFormat == nil)
        #expect(try read(["delimiter": [""], "header": [""]]).delimiter == nil)
    }

    @Test("what is chosen is kept, and kept with the operation")
    func chosen() throws {
        let options = try read([
            "delimiter": ["whitespace"], "header": ["false"], "type": ["store_visit"],
            "dateFormat": ["yyyyMMdd"],
            "timeZone": ["America/New_York"], "source": ["pos"], "channel": ["store"],
            "fileName": ["été.txt"],
            "map": ["loyalty_id:1", "occurredAt:2", "properties.size:3", "orderId:a:b"],
        ])
        #expect(
            options.mappings.map(\.target) == [
                "loyalty_id", "occurredAt", "properties.size", "properties.orderId",
            ])
        #expect(options.mappings.map(\.column) == ["1", "2", "3", "a:b"])
        #expect(!options.hasHeader && options.source == "pos" && options.fileName == "été.txt")
        let stored = try JSONEncoder().encode(options)
        #expect(try JSONDecoder().decode(ImportOptions.self, from: stored) == options)
    }

    @Test(
        "each wrong option is named",
        arguments: [
            ("delimiter", "::"), ("delimiter", " "), ("delimiter", "\""), ("delimiter", "é"),
            ("header", "yes"),
            ("header", "TRUE"), ("type", "buy"), ("map", "email"), ("map", ":a"), ("map", "email:"),
            ("map", "mail:a"),
            ("map", "properties.:a"), ("map", "identifiers.email:a"), ("dateFormat", "YYYYMMdd"),
            ("dateFormat", "HH:mm"), ("dateFormat", "yyyy"), ("dateFormat", "day"),
            ("timeZone", "Mars/Olympus"),
            ("timeZone", "../../etc/passwd"), ("source", "a b"), ("source", "a\u{0}"), ("channel", "a\n"),
            ("source", "api"), ("source", "segment"), ("source", "browser"),
            ("source", String(repeating: "a", count: 65)), ("fileName", "a\u{0}b"), ("fileName", "a\nb"),
            ("map", "email:\u{0}"), ("map", "properties.\u{0}:a"), ("dateFormat", "yyyyMMdd\u{0}"),
            ("fileName", String(repeating: "a", count: 256)),
        ])
    func wrong(field: String, value: String) {
        let fault = #expect(throws: Fault.self) { try read([field: [value]]) }
        #expect(fault?.code == .invalid)
        #expect(fault?.field == field)
    }

    @Test("a target is mapped once, under either of its names, and what every row has is mapped")
    func mappings() {
        for mappings in [["email:a", "email:b"], ["total:a", "properties.total:b"]] {
            let fault = #expect(throws: Fault.self) { try read(["map": mappings]) }
            #expect(fault?.field == "map")
        }
        for query in [["map": []], ["kind": ["products"], "map": ["productId:a"]]] as [[String: [String]]] {
            let fault = #expect(throws: Fault.self) { try read(query).checkMapping() }
            #expect(fault?.field == "map")
        }
        let many = (0..<1000).map { "properties.p\($0):\($0)" }
        #expect(throws: Fault.self) { try read(["map": many]) }
    }
}
