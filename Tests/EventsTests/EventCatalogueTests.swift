import Kernel
import Testing

@testable import Events

@Suite("The catalogue of events")
struct EventCatalogueTests {
    private func check(_ json: String, _ type: EventType) throws {
        try EventCatalogue.check(
            JSONText.checking(Array(json.utf8)), of: type, doing: "accept the event")
    }

    /// Something that a property of the kind may not hold, and something that it may.
    private static let samples: [PropertyKind: (wrong: [String], right: [String])] = [
        .text: (["1", "true", "[]", #""\#(String(repeating: "x", count: 4097))""#], [#""""#, #""ein Text""#]),
        .id: (["1", #""""#, #""a\nb""#, #""\#(String(repeating: "x", count: 201))""#], [#""p-1""#]),
        .money: (["-1", "1e2", #""1,5""#, "true", "0.00001"], ["29.33", #""29.33""#, "0"]),
        .number: (["true", #""two""#, #""""#, #"" 1""#, "[]"], ["2", "-1.5", #""2""#, "1e2"]),
        .boolean: (["1", #""yes""#, "[]"], ["true", "false", #""true""#, #""FALSE""#]),
        .currency: (["1", #""EURO""#, #""E1R""#], [#""EUR""#, #""eur""#]),
        .instant: (["1", #""2026-01-31""#], [#""2026-01-31T10:00:00Z""#]),
        .version: (["true", "[]", "{}"], ["1", #""v1""#]),
        .items: (["{}", "[1]", #"[{"price":-1}]"#, #"[{"quantity":"2"}]"#], ["[]", #"[{"productId":"p"}]"#]),
    ]

    @Test("every property holds what its kind says, and a fault names it", arguments: EventType.allCases)
    func kinds(of type: EventType) throws {
        let rules = EventCatalogue.properties(of: type)
        func object(_ rule: PropertyRule, _ value: String) throws -> String {
            let others = try rules.filter { $0.isRequired && $0.name != rule.name }.map { other in
                "\"\(other.name)\":\(try #require(Self.samples[other.kind]?.right.first))"
            }
            return "{\((others + ["\"\(rule.name)\":\(value)"]).joined(separator: ","))}"
        }
        for rule in rules {
            let samples = try #require(Self.samples[rule.kind])
            for value in samples.right { try check(try object(rule, value), type) }
            for value in samples.wrong {
                let json = try object(rule, value)
                let fault = #expect(throws: Fault.self, "\(type) \(json)") { try check(json, type) }
                #expect(fault?.field?.hasPrefix("properties.\(rule.name)") == true, "\(fault?.field ?? "")")
            }
            if rule.isRequired {
                for json in [try object(rule, "null"), "{}"] {
                    let fault = #expect(throws: Fault.self) { try check(json, type) }
                    #expect(fault?.code == .invalid)
                }
            } else {
                try check(try object(rule, "null"), type)
            }
        }
        #expect(Set(rules.map(\.name)).count == rules.count && !EventCatalogue.meaning(of: type).isEmpty)
    }

    @Test("properties that have no meaning are nobody's business")
    func others() throws {
        try check(#"{"productId":"p","mine":{"deep":[1,null,true]},"quantity":"many"}"#, .productView)
        try check(#"{"total":1,"mine":7}"#, .purchase)
    }
}
