import Contract
import Foundation
import Kernel
import Testing

@testable import DataPlane

@Suite("Bad input gets a precise answer and changes nothing else", .timeLimit(.minutes(5)))
struct BadInputTests {
    /// A good event with `changes` in place of its members.
    private static func event(_ changes: [String: String]) -> String {
        var members = [
            "type": #""page_view""#, "occurredAt": #""2026-01-31T10:00:00Z""#,
            "identifiers": #"{"email":"a@b.com"}"#,
        ]
        members.merge(changes) { $1 }
        let sorted = members.sorted { $0.key < $1.key }
        return "{\(sorted.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ","))}"
    }

    private static func purchase(_ properties: String) -> String {
        event(["type": #""purchase""#, "properties": properties])
    }

    static let events: [(body: String, field: String?, words: String)] = [
        ("", nil, "empty"), ("{", nil, "not valid JSON"), (#"{"type":}"#, nil, "not valid JSON"),
        ("not json", nil, "not valid JSON"), ("[]", nil, "JSON object"), ("null", nil, "JSON object"),
        (event(["type": "1"]), "type", "expected a string"),
        (event(["type": #""buy""#]), "type", "no type 'buy'"),
        (event(["type": "null"]), "type", "has a type"), (event(["colour": "1"]), "colour", "no such field"),
        (event(["identifiers": "{}"]), "identifiers", "at least one"),
        (event(["identifiers": #""a@b.com""#]), "identifiers", "expected an object"),
        (event(["identifiers": #"{"mail":"a@b.com"}"#]), "identifiers.mail", "no such identifier"),
        (event(["identifiers": #"{"phone":12345}"#]), "identifiers.phone", "expected a string"),
        (event(["identifiers": #"{"email":"a\u0000b"}"#]), nil, "null character"),
        (event(["identifiers": #"{"email":"\uD800"}"#]), nil, "half of a surrogate pair"),
        (event(["properties": #"{"\u0000":1}"#]), nil, "null character"),
        (event(["properties": #"{"a":1e999}"#]), nil, "out of range"),
        (event(["properties": "7"]), "properties", "expected an object"),
        (event(["occurredAt": #""2026-02-30T10:00:00Z""#]), "occurredAt", "RFC 3339"),
        (event(["occurredAt": #""1899-01-01T10:00:00Z""#]), "occurredAt", "before 1900"),
        (event(["occurredAt": #""9999-01-01T10:00:00Z""#]), "occurredAt", "a day ahead"),
        (event(["occurredAt": "0"]), "occurredAt", "expected a string"),
        (event(["eventId": #""""#]), "eventId", "empty"),
        (event(["channel": #""a\nb""#]), "channel", "control"),
        (purchase("{}"), "properties.total", "has a total"),
        (purchase(#"{"total":"lots"}"#), "properties.total", "decimal"),
        (purchase(#"{"total":[1]}"#), "properties.total", "decimal"),
        (purchase(#"{"total":-1}"#), "properties.total", "not negative"),
        (purchase(#"{"total":"1","currency":"RUPEE"}"#), "properties.currency", "bytes"),
        (purchase(#"{"total":"1","items":[{},{"price":"x"}]}"#), "properties.items[1].price", "decimal"),
    ]

    @Test("each bad event is a problem of its own, alone, and a verdict of its own among good ones")
    func badEvents() async throws {
        try await TestInstance.serving { instance in
            let before = try await instance.footprint()
            for (body, field, words) in BadInputTests.events {
                let answer = try await instance.post("/api/events", body)
                answer.expectProblem(400, .invalid, field, words, body)
            }
            #expect(try await instance.footprint() == before)
            let lines = BadInputTests.events.map(\.body).filter { !$0.isEmpty }.map { line in
                line + "\r\n\n" + BadInputTests.event(["eventId": "\"\(line.hashValue)\""])
            }
            let answer = try await instance.post(
                "/api/events/batch", lines.joined(separator: "\n"),
                headers: ["Content-Type": "Application/X-NDJSON; charset=utf-8"])
            #expect(answer.status == 202)
            let batch = try answer.json(BatchAnswer.self)
            #expect(batch.accepted == lines.count && batch.rejected == lines.count)
            #expect(batch.results.map(\.index) == Array(0..<2 * lines.count))
            for (index, expected) in BadInputTests.events.dropFirst().enumerated() {
                #expect(
                    batch.results[2 * index].outcome == .rejected
                        && batch.results[2 * index + 1].outcome == .accepted)
                #expect(batch.results[2 * index].field == expected.field)
                #expect(batch.results[2 * index].error?.contains(expected.words) == true, "\(expected.body)")
            }
            try await instance.drained()
            #expect(try await instance.stats().events == Int64(lines.count))
        }
    }

    @Test("bytes that are not UTF-8 are refused")
    func encoding() async throws {
        try await TestInstance.serving { instance in
            let before = try await instance.footprint()
            let body =
                Array(#"{"type":"search","identifiers":{"email":"a"#.utf8) + [0xFF]
                + Array(#"@b.com"}}"#.utf8)
            try await instance.call("POST", "/api/events", body).expectProblem(400, .invalid, nil, "UTF-8")
            try await instance.call(
                "POST", "/api/events/batch", Array(#"{"events":["#.utf8) + body + Array("]}".utf8)
            )
            .expectProblem(400, .invalid, nil, "UTF-8")
            #expect(try await instance.footprint() == before)
        }
    }

    @Test("a body of 10 MB, an event of more than 64 KB and 1,001 events are too large; 1,000 are not")
    func tooLarge() async throws {
        try await TestInstance.serving { instance in
            let before = try await instance.footprint()
            let large = BadInputTests.event([
                "properties": "{\"a\":\"\(String(repeating: "x", count: 10 << 20))\"}"
            ])
            for path in ["/api/events", "/api/events/batch"] {
                try await instance.post(path, large).expectProblem(413, .tooLarge, nil, "bytes", path)
            }
            let long = BadInputTests.event([
                "properties": "{\"a\":\"\(String(repeating: "x", count: 1 << 16))\"}"
            ])
            try await instance.post("/api/events", long).expectProblem(413, .tooLarge, nil, "bytes")
            let many = Array(repeating: BadInputTests.event([:]), count: 1001)
            try await instance.post("/api/events/batch", "{\"events\":[\(many.joined(separator: ","))]}")
                .expectProblem(413, .tooLarge, "events", "at most 1000")
            try await instance.post(
                "/api/events/batch", many.joined(separator: "\n"),
                headers: ["Content-Type": "application/x-ndjson"]
            ).expectProblem(413, .tooLarge, "events", "at most 1000")
            #expect(try await instance.footprint() == before)
            let answer = try await instance.post(
                "/api/events/batch", "{\"events\":[\(many.dropLast().joined(separator: ","))]}")
            #expect(try answer.json(BatchAnswer.self).accepted == 1000)
            let mixed = try await instance.post("/api/events/batch", "{\"events\":[\(long)]}")
            #expect(
                try mixed.json(BatchAnswer.self).rejected == 1,
                "in a batch, one event that is too long is a verdict")
        }
    }

    @Test("a batch that is no batch is a problem")
    func badBatches() async throws {
        try await TestInstance.serving { instance in
            let before = try await instance.footprint()
            for (body, field) in [
                ("", nil), ("[]", nil), (#"{"events":[}"#, nil), ("{}", "events"),
                (#"{"events":[]}"#, "events"),
                (#"{"events":{}}"#, "events"), (#"{"events":null}"#, "events"), (#"{"event":[]}"#, "event"),
                (#"{"events":[1],"events":[2]}"#, "events"), (#"{"events":[1],"more":1}"#, "more"),
            ] as [(String, String?)] {
                try await instance.post("/api/events/batch", body).expectProblem(
                    400, .invalid, field, "", body)
            }
            for body in ["", "\n \r\n\t\n"] {
                let answer = try await instance.post(
                    "/api/events/batch", body, headers: ["Content-Type": "application/x-ndjson"])
                answer.expectProblem(400, .invalid, "events", "no events")
            }
            let key = try await instance.post(
                "/api/events", BadInputTests.event([:]),
                headers: ["Idempotency-Key": String(repeating: "k", count: 129)])
            key.expectProblem(400, .invalid, "Idempotency-Key")
            #expect(try await instance.footprint() == before)
        }
    }

    @Test("an unknown path is 404, and a wrong method 405 with the methods that are right")
    func paths() async throws {
        try await TestInstance.serving { instance in
            for path in [
                "/", "/api", "/api/", "/api/nothing", "/api/events/a/b", "/api/events/%00",
                "/..%2f..%2fetc/passwd",
            ] {
                try await instance.call("GET", path).expectProblem(404, .notFound, nil, "", path)
            }
            let id = UUIDv7(at: SystemWallClock().now())
            for path in [
                "/api/events/\(id)", "/api/profiles/\(id)", "/api/operations/\(id)",
                "/api/operations/x/rejections",
            ] {
                try await instance.call("GET", path).expectProblem(404, .notFound, nil, "", path)
            }
            for (method, path, allowed) in [
                ("DELETE", "/api/events", "GET, OPTIONS, POST"),
                ("PUT", "/api/events/batch", "OPTIONS, POST"),
                ("POST", "/api/monitoring/stats", "GET"), ("GET", "/api/integrations/csv", "POST"),
                ("PATCH", "/api/profiles/\(id)", "GET"),
            ] {
                let answer = try await instance.call(method, path)
                answer.expectProblem(405, .methodNotAllowed, nil, allowed, path)
                #expect(answer.headers["allow"] == allowed)
            }
        }
    }

    @Test("a bad parameter of a list is named, and no text of any kind is a failure of ours")
    func parameters() async throws {
        try await TestInstance.serving { instance in
            let id = UUIDv7(at: SystemWallClock().now())
            for (path, field) in [
                ("/api/events?limit=0", "limit"), ("/api/events?limit=201", "limit"),
                ("/api/events?limit=ten", "limit"),
                ("/api/profiles?limit=-1", "limit"), ("/api/operations?limit=1e1", "limit"),
                ("/api/events?cursor=x", "cursor"), ("/api/profiles?cursor=%00", "cursor"),
                ("/api/events?cursor=1.\(id).2", "cursor"), ("/api/events?type=buy", "type"),
                ("/api/events?profile=me", "profile"), ("/api/profiles?phone=x", "phone"),
                ("/api/profiles?loyalty_id=%00", "loyalty_id"), ("/api/profiles?email=nobody", "email"),
                ("/api/profiles?email=a@b.com&phone=1", "email"),
            ] {
                try await instance.call("GET", path).expectProblem(400, .invalid, field, "", path)
            }
            for path in [
                "/api/events?cursor=-9223372036854775808.\(id)",
                "/api/events?cursor=9223372036854775807.\(id)",
                "/api/operations?cursor=9223372036854775807.\(id)",
                "/api/profiles?cursor=-9223372036854775808.\(id)",
                "/api/profiles?loyalty_id=%C3%28", "/api/profiles?email=%F0%9F%98%80@b.com",
                "/api/profiles?email=a%25b@c.d",
                "/api/events?type=&limit=", "/api/events/ffffffff-ffff-ffff-ffff-ffffffffffff",
                "/api/events?cursor=",
            ] {
                let answer = try await instance.call("GET", path)
                #expect(answer.status < 500, "\(path): \(answer.status) \(answer.text)")
            }
        }
    }
}
