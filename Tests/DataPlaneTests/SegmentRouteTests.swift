import Contract
import Events
import Foundation
import Integrations
import Kernel
import Sealing
import TestSupport
import Testing

@testable import DataPlane

@Suite("The API of Segment's SDKs", .timeLimit(.minutes(5)))
struct SegmentRouteTests {
    private static let shop = "https://shop.example"
    private static let page = #"{"type":"page","anonymousId":"c"}"#

    private func basic(_ key: String, _ password: String = "") -> [String: String] {
        ["Authorization": "Basic " + Data("\(key):\(password)".utf8).base64EncodedString()]
    }

    private func stored(_ instance: TestInstance) async throws -> [ShownEvent] {
        try await instance.drained()
        return try await instance.get("/api/events?limit=200", as: Page<ShownEvent>.self).items
    }

    /// Expects an answer that is what `openapi.yaml` says.
    private func expect(_ answer: Answer, _ status: Int, _ operation: String) throws {
        #expect(answer.status == status, "\(operation): \(answer.text)")
        guard answer.status == status else { return }
        let type = status == 200 ? "application/json" : "application/problem+json"
        #expect(answer.headers["content-type"] == type)
        let document = try OpenAPIDocument(of: "DataPlane")
        #expect(try document.faults(in: answer.body, of: operation, status: status, type: type) == [])
    }

    @Test("every path takes its messages, with the key as the user name of Basic or in other ways")
    func paths() async throws {
        try await TestInstance.serving { instance in
            let bodies: [SegmentCall: String] = [
                .track: #"{"userId":"u","event":"Played"}"#, .identify: #"{"userId":"u"}"#,
                .page: #"{"userId":"u"}"#, .screen: #"{"userId":"u"}"#,
                .group: #"{"userId":"u","groupId":"g"}"#, .alias: #"{"userId":"u","previousId":"p"}"#,
            ]
            for call in SegmentCall.allCases {
                for path in ["/v1/\(call.rawValue)", "/v1/\(call.rawValue.prefix(1))"] {
                    let answer = try await instance.post(
                        path, bodies[call] ?? "", headers: basic(instance.key), key: "")
                    try expect(answer, 200, "POST /v1/{call}")
                    #expect(answer.text == #"{"success":true}"#)
                }
            }
            for path in SegmentRoutes.batchPaths {
                let body = #"{"batch":[\#(Self.page),\#(Self.page)]}"#
                for headers in [
                    basic(instance.key), basic(instance.key, "any"), ["X-API-Key": instance.key],
                    ["Authorization": "Bearer \(instance.key)"],
                ] {
                    try expect(
                        try await instance.post(path, body, headers: headers, key: ""), 200, "POST \(path)")
                }
            }
            #expect(try await stored(instance).count == 12 + 3 * 4 * 2)
            let source = try await instance.brand.database.run(
                "select distinct source from customer_raw_event")
            #expect(try source.map { try $0.decode(String.self) } == ["segment"])
            try await instance.post("/v1/dance", "{}").expectProblem(
                404, .notFound, nil, "nothing at this path")
            try await instance.call("GET", "/v1/track").expectProblem(405, .methodNotAllowed)
        }
    }

    @Test("a key that is wrong is refused with a message, which RudderStack's SDKs read")
    func keys() async throws {
        try await TestInstance.with { instance in
            let reader = try await TestInstance.mintKey(instance.brand, scopes: [.eventsRead])
            try await instance.serving {
                let batch = #"{"batch":[\#(Self.page)]}"#
                for (headers, status, words) in [
                    ([:], 401, "send an API key"), (basic("abcdef"), 401, "user name of Basic is an API key"),
                    (basic("ci_live_a_b"), 401, "malformed"), (basic(reader), 403, "lacks the scope"),
                    (["Authorization": "Basic"], 401, "send an API key"),
                    (["Authorization": "Basic !"], 401, "send an API key"),
                ] {
                    let answer = try await instance.post("/v1/batch", batch, headers: headers, key: "")
                    try expect(answer, status, "POST /v1/batch")
                    let problem = try answer.json(Problem.self)
                    #expect(problem.message == problem.detail && problem.detail.contains(words))
                }
                let other = try await instance.call("GET", "/api/events?limit=0")
                #expect(try other.json(Problem.self).message == nil)
                let anywhere = try await instance.call(
                    "GET", "/api/events", headers: basic(reader), key: "")
                #expect(anywhere.status == 200, "Basic is a way like others")
            }
        }
    }

    @Test("the key may be the body's writeKey, where no header has one")
    func writeKey() async throws {
        try await TestInstance.serving { instance in
            func send(_ path: String, _ body: String, gzip: Bool = false, headers: [String: String] = [:])
                async throws -> Answer
            {
                var headers = headers
                headers["Content-Type"] = "text/plain"
                if gzip { headers["Content-Encoding"] = "gzip" }
                let bytes = Array(body.utf8)
                return try await instance.call(
                    "POST", path, gzip ? bytes.gzipped : bytes, headers: headers, key: "")
            }
            let key = instance.key
            let batch = #"{"batch":[\#(Self.page)],"writeKey":"\#(key)"}"#
            try expect(try await send("/v1/b", batch), 200, "POST /v1/b")
            try expect(try await send("/v1/b", batch, gzip: true), 200, "POST /v1/b")
            let message = #"{"userId":"u","writeKey":"\#(key)","context":{}}"#
            try expect(try await send("/v1/p", message), 200, "POST /v1/{call}")
            for (body, words) in [
                (#"{"userId":"u","writeKey":"ci_live_a_b"}"#, "malformed"),
                (#"{"userId":"u","writeKey":7}"#, "send an API key"),
                (#"{"userId":"u","a":{"writeKey":"\#(key)"}}"#, "send an API key"),
                ("not json", "send an API key"), ("", "send an API key"),
            ] {
                try await send("/v1/p", body).expectProblem(401, .unauthenticated, nil, words, body)
            }
            let mistyped = ["Authorization": "Bearer ci_live_a_b"]
            #expect(try await send("/v1/p", message, headers: mistyped).status == 401, "a header goes before")
            #expect(try await send("/api/events", batch).status == 401, "on these paths alone")
            let large = #"{"batch":[],"x":"\#(String(repeating: "x", count: WriteKey.bodyBytes))"}"#
            try await send("/v1/b", large).expectProblem(413, .tooLarge, nil, "524288")
            try await send("/v1/b", large, gzip: true).expectProblem(413, .tooLarge, nil, "524288")
            let events = try await stored(instance)
            #expect(events.count == 3)
            for event in events {
                let shown = try await instance.call("GET", "/api/events/\(event.id)")
                #expect(!shown.text.contains(key), "a key is no part of an event")
            }
        }
    }

    @Test("of a batch the good messages are taken and the others told; one without good ones is refused")
    func mixed() async throws {
        try await TestInstance.serving { instance in
            let good = #"{"type":"page","userId":"u","messageId":"m"}"#
            let bad = [
                #"{"type":"page"}"#, "7", #"{"type":"track","userId":"u"}"#,
                #"{"type":"page","userId":"u","timestamp":"1800-01-01T00:00:00Z"}"#,
            ]
            let before = try await instance.footprint()
            let none = try await instance.post("/v1/batch", #"{"batch":[\#(bad.joined(separator: ","))]}"#)
            try expect(none, 400, "POST /v1/batch")
            none.expectProblem(400, .invalid, "batch[0].userId", "none of the 4 messages is acceptable")
            try await instance.post("/v1/batch", #"{"batch":[\#(bad[2])]}"#).expectProblem(
                400, .invalid, "batch[0].event", "names its event")
            for (body, field) in [("", nil), ("{", nil), ("[]", nil), (#"{"batch":[]}"#, "batch")] {
                try await instance.post("/v1/batch", body).expectProblem(400, .invalid, field)
            }
            try await instance.post("/v1/page", bad[0]).expectProblem(400, .invalid, "userId")
            #expect(try await instance.footprint() == before)

            let some = #"{"batch":[\#(([good] + bad).joined(separator: ","))]}"#
            for _ in 0..<2 {
                let answer = try await instance.post("/v1/batch", some)
                try expect(answer, 200, "POST /v1/batch")
                let read = try answer.json(SegmentAnswer.self)
                #expect(read.success && read.accepted == 1 && read.rejected == 4)
                #expect(read.results?.map(\.index) == [1, 2, 3, 4])
                #expect(read.results?.map(\.field) == ["userId", nil, "event", "timestamp"])
                #expect(read.results?.allSatisfy { $0.outcome == .rejected && $0.error != nil } == true)
            }
            #expect(try await stored(instance).map(\.eventId) == ["m"], "and twice sent is once there")
        }
    }

    @Test("a body may be gzip, here and where events come in, and nothing else")
    func gzip() async throws {
        try await TestInstance.serving { instance in
            func send(_ path: String, _ body: [UInt8], _ encoding: String = "gzip") async throws -> Answer {
                try await instance.call("POST", path, body, headers: ["Content-Encoding": encoding])
            }
            let batch = Array(#"{"batch":[\#(Self.page)]}"#.utf8)
            for encoding in ["gzip", "x-gzip", "GZIP", "identity, gzip"] {
                #expect(try await send("/v1/batch", batch.gzipped, encoding).status == 200, "\(encoding)")
            }
            #expect(try await send("/v1/batch", batch, "identity").status == 200)
            let event = #"{"type":"page_view","identifiers":{"cookie_id":"c"}}"#
            #expect(try await send("/api/events", Array(event.utf8).gzipped).status == 202)
            let events = Array(#"{"events":[\#(event)]}"#.utf8)
            #expect(try await send("/api/events/batch", events.gzipped).status == 202)
            for path in ["/v1/batch", "/api/events/batch"] {
                for encoding in ["br", "deflate", "gzip, gzip"] {
                    try await send(path, batch, encoding).expectProblem(
                        415, .unsupportedMediaType, "Content-Encoding", "as gzip")
                }
                try await send(path, batch).expectProblem(400, .invalid, "Content-Encoding", "not whole gzip")
                let bomb = [UInt8](repeating: 0x20, count: EventLimits.bodyBytes + 1).gzipped
                try await send(path, bomb).expectProblem(413, .tooLarge, nil, "when it is unpacked")
            }
            #expect(try await stored(instance).count == 7)
        }
    }

    @Test("a page sends as analytics.js and RudderStack's SDK do, and only what visitors do")
    func browser() async throws {
        try await TestInstance.with { instance in
            let key = try await TestInstance.mintKey(
                instance.brand, .browser, scopes: [.eventsWrite], origins: [Self.shop])
            try await instance.serving {
                let asking = [
                    "Origin": Self.shop, "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "anonymousid,authorization,content-type",
                ]
                let yes = try await instance.call("OPTIONS", "/v1/track", headers: asking, key: "")
                #expect(yes.status == 204)
                #expect(yes.headers["access-control-allow-headers"]?.contains("AnonymousId") == true)
                let no = try await instance.call("OPTIONS", "/v1/dance", headers: asking, key: "")
                no.expectProblem(404, .notFound)

                let view = #""event":"Product Viewed","anonymousId":"c","properties":{"product_id":"p"}"#
                let order = #""event":"Order Completed","anonymousId":"c","properties":{"total":1}"#
                for (headers, tail) in [(basic(key), ""), ([:], #","writeKey":"\#(key)""#)] {
                    func send(_ members: String, from origin: String?) async throws -> Answer {
                        var headers = headers
                        headers["Origin"] = origin
                        return try await instance.post(
                            "/v1/t", "{\(members)\(tail)}", headers: headers, key: "")
                    }
                    let sent = try await send(view, from: Self.shop)
                    #expect(sent.status == 200, "\(sent.text)")
                    #expect(sent.headers["access-control-allow-origin"] == Self.shop)
                    let refused = try await send(order, from: Self.shop)
                    refused.expectProblem(400, .invalid, "event", "may send only page_view")
                    #expect(refused.headers["access-control-allow-origin"] == Self.shop, "pages may read why")
                    try await send(view, from: "https://evil.example").expectProblem(403, .forbidden)
                    try await send(view, from: nil).expectProblem(403, .forbidden)
                }
                try await instance.drained()
                let source = try await instance.brand.database.run(
                    "select distinct source from customer_raw_event")
                #expect(try source.map { try $0.decode(String.self) } == [Event.browserSource])
            }
        }
    }

    @Test("the limits of keys and plans hold, test keys do not count, and an order does to the cent")
    func limits() async throws {
        try await TestInstance.with { instance in
            let test = try await TestInstance.mintKey(instance.brand, .test)
            let slow = try await TestInstance.mintKey(instance.brand)
            let publicID = try #require(APIKeyText.parse(slow)).publicId
            try await instance.brand.database.run(
                "update api_key set events_per_second = 1 where public_id = \(publicID)")
            try await instance.brand.database.run("update brand_state set revision = revision + 1")
            try await instance.serving {
                func order(_ id: String, _ total: String, at time: String) -> String {
                    #"{"type":"track","event":"Order Completed","userId":"u","messageId":"\#(id)\#(total)","#
                        + #""timestamp":"\#(time)","properties":{"order_id":"\#(id)","total":\#(total)}}"#
                }
                let orders = [
                    order("1", "10.10", at: "2026-01-02T00:00:00Z"),
                    order("1", "99.99", at: "2026-01-01T00:00:00Z"),
                    order("2", "0.30000000000000004", at: "2026-01-01T00:00:00Z"),
                ]
                let body = #"{"batch":[\#(orders.joined(separator: ","))]}"#
                #expect(try await instance.post("/v1/batch", body).status == 200)
                #expect(try await instance.post("/v1/batch", body, key: test).status == 200)
                try await instance.drained()
                let stats = try await instance.stats()
                #expect(
                    stats.events == 3 && stats.orders == 2 && stats.revenue == "10.40" && stats.profiles == 1)
                let limited =
                    #"{"batch":[\#(Array(repeating: Self.page, count: 11).joined(separator: ","))]}"#
                try await eventually("the key is out of events", within: .seconds(10)) {
                    try await instance.post("/v1/batch", limited, key: slow).status == 429
                }
                let refused = try await instance.post("/v1/batch", limited, key: slow)
                refused.expectProblem(429, .limited, nil, "1 events per second")
                #expect(refused.headers["retry-after"] != nil)
            }
        }
    }
}
