import Contract
import Foundation
import Kernel
import Sealing
import TestSupport
import Testing

@testable import DataPlane
@testable import Events

@Suite("A browser key", .timeLimit(.minutes(5)))
struct BrowserKeyTests {
    private static let shop = "https://shop.example"
    private static let event = #"{"type":"page_view","identifiers":{"cookie_id":"c"}}"#

    private func serving(_ body: (TestInstance, String) async throws -> Void) async throws {
        try await TestInstance.with { instance in
            let key = try await TestInstance.mintKey(
                instance.brand, .browser, scopes: [.eventsWrite],
                origins: [Self.shop, "http://localhost:3000"])
            try await instance.serving { try await body(instance, key) }
        }
    }

    @Test("sends events from the pages of its sites, which may read the answer, and from nowhere else")
    func origins() async throws {
        try await serving { instance, key in
            for origin in [Self.shop, "http://localhost:3000"] {
                for path in ["/api/events", "/api/events/batch"] {
                    let body = path == "/api/events" ? Self.event : #"{"events":[\#(Self.event)]}"#
                    let answer = try await instance.post(path, body, headers: ["Origin": origin], key: key)
                    #expect(answer.status == 202, "\(answer.text)")
                    #expect(answer.headers["access-control-allow-origin"] == origin)
                    #expect(answer.headers["vary"] == "Origin")
                }
            }
            for origin in [
                "https://evil.example", "http://shop.example", "https://shop.example:8443",
                "https://shop.example.evil.example", "https://SHOP.example", "null", "*",
                "https://shop.example/", "http://localhost", "\(Self.shop), \(Self.shop)",
            ] {
                let answer = try await instance.post(
                    "/api/events", Self.event, headers: ["Origin": origin], key: key)
                answer.expectProblem(403, .forbidden, nil, "not for the pages of this Origin", origin)
                #expect(answer.headers["access-control-allow-origin"] == nil)
                #expect(answer.headers["vary"] == "Origin")
            }
            try await instance.post("/api/events", Self.event, key: key).expectProblem(
                403, .forbidden, nil, "only in a browser")
        }
    }

    @Test("sends what visitors do, of the last week, and no order; each refusal says what is allowed")
    func events() async throws {
        try await serving { instance, key in
            let now = SystemWallClock().now()
            func send(_ type: String, _ occurredAt: Timestamp? = nil) async throws -> Answer {
                let instant = occurredAt.map { #","occurredAt":"\#($0)""# } ?? ""
                let body =
                    #"{"type":"\#(type)"\#(instant),"identifiers":{"cookie_id":"c"},"#
                    + #""properties":{"total":"1","productId":"p"}}"#
                return try await instance.post(
                    "/api/events", body, headers: ["Origin": Self.shop], key: key)
            }
            for type in EventType.allCases {
                let answer = try await send(type.rawValue)
                if type.isBehaviour {
                    #expect(answer.status == 202, "\(type): \(answer.text)")
                } else {
                    answer.expectProblem(400, .invalid, "type", "may send only page_view", type.rawValue)
                }
            }
            #expect(EventType.allCases.count(where: \.isBehaviour) == 8)
            #expect(try await send("search", now - .days(7) + .seconds(60)).status == 202)
            try await send("search", now - .days(7) - .seconds(60)).expectProblem(
                400, .invalid, "occurredAt", "7 days")
            let live = try await instance.post(
                "/api/events", Self.event.replacing("page_view", with: "custom"))
            #expect(live.status == 202)
        }
    }

    @Test("reads nothing: every other operation is refused, and no answer has a profile in it")
    func readsNothing() async throws {
        try await serving { instance, key in
            let operations = try OpenAPIDocument(of: "DataPlane").operations
            let id = UUIDv7(at: SystemWallClock().now()).description
            var asked = 0
            for operation in operations.sorted() {
                let words = operation.split(separator: " ").map(String.init)
                let path = words[1].replacing("{id}", with: id).replacing("{call}", with: "track")
                let isSending = words[0] == "POST" && BrowserAccess.paths.contains(path)
                guard !isSending, words[0] != "OPTIONS", words[1] != "/api/openapi.yaml",
                    words[1] != "/metrics", words[1] != "/constintel-tracker.js"
                else { continue }
                let answer = try await instance.call(
                    words[0], path, Array("{}".utf8), headers: ["Origin": Self.shop], key: key)
                if words[0] == "HEAD" {
                    #expect(answer.status == 403 && answer.body.isEmpty, "\(operation)")
                } else {
                    answer.expectProblem(403, .forbidden, nil, "", operation)
                }
                asked += 1
            }
            #expect(asked > 20, "of \(operations.count) operations")
            let signIn = #"{"type":"identify","identifiers":{"cookie_id":"c","email":"ann@b.com"}}"#
            let answer = try await instance.post(
                "/api/events", signIn, headers: ["Origin": Self.shop, "Prefer": "wait"], key: key)
            #expect(answer.status == 202 && !answer.text.contains("ann@b.com"), "\(answer.text)")
        }
    }

    @Test("comes in the query where a page can set no headers, as other keys do not")
    func beacon() async throws {
        try await serving { instance, key in
            let beacon = try await instance.post(
                "/api/events?key=\(key)", Self.event,
                headers: ["Origin": Self.shop, "Content-Type": "text/plain;charset=UTF-8"], key: "")
            #expect(beacon.status == 202, "\(beacon.text)")
            try await instance.post("/api/events?key=\(instance.key)", Self.event, key: "").expectProblem(
                401, .unauthenticated, nil, "send an API key")
        }
    }

    @Test("a browser that asks beforehand is told yes for the sites of keys that work")
    func preflight() async throws {
        try await serving { instance, key in
            func ask(_ origin: String?, _ path: String = "/api/events") async throws -> Answer {
                var headers = [
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "authorization,content-type",
                ]
                headers["Origin"] = origin
                return try await instance.call("OPTIONS", path, headers: headers, key: "")
            }
            for path in BrowserAccess.paths {
                let yes = try await ask(Self.shop, path)
                #expect(yes.status == 204 && yes.body.isEmpty)
                #expect(yes.headers["access-control-allow-origin"] == Self.shop)
                #expect(yes.headers["access-control-allow-methods"] == "POST")
                #expect(yes.headers["access-control-allow-headers"]?.contains("Authorization") == true)
                #expect(yes.headers["access-control-max-age"] == "600")
                #expect(yes.headers["vary"] == "Origin")
            }
            for origin in ["https://evil.example", "null", nil] {
                let no = try await ask(origin)
                no.expectProblem(403, .forbidden, nil, "Origin")
                #expect(no.headers["access-control-allow-origin"] == nil)
                #expect(no.headers["vary"] == "Origin")
            }
            #expect(try await ask(Self.shop, "/api/profiles").status == 405)
            let publicID = try #require(APIKeyText.parse(key)).publicId
            try await instance.brand.database.run(
                "update api_key set revoked_at = now() where public_id = \(publicID)")
            try await instance.brand.database.run("update brand_state set revision = revision + 1")
            try await eventually("nothing is told of a revoked key's sites", within: .seconds(10)) {
                try await ask(Self.shop).status == 403
            }
            let refused = try await instance.post(
                "/api/events", Self.event, headers: ["Origin": Self.shop], key: key)
            refused.expectProblem(401, .unauthenticated, nil, "was revoked")
            #expect(refused.headers["access-control-allow-origin"] == Self.shop, "pages may read why")
        }
    }

    @Test("a key that names no sites works on those of the brand's settings")
    func brandOrigins() async throws {
        try await TestInstance.with { instance in
            let key = try await TestInstance.mintKey(instance.brand, .browser, scopes: [.eventsWrite])
            try await instance.serving {
                func send() async throws -> Int {
                    try await instance.post(
                        "/api/events", Self.event, headers: ["Origin": Self.shop], key: key
                    ).status
                }
                #expect(try await send() == 403)
                try await instance.brand.database.run(
                    """
                    update brand_state set revision = revision + 1,
                        settings = settings || '{"origins": ["https://shop.example"]}'
                    """)
                try await eventually("the settings hold", within: .seconds(10)) { try await send() == 202 }
            }
        }
    }

    @Test("its events place and sign in, and never tie, also when everything is folded anew")
    func identity() async throws {
        try await TestBrand.with { brand in
            func page(
                _ key: String, _ identifiers: [IdentifierKind: String], _ type: EventType = .pageView,
                at minute: Int
            ) throws -> Event {
                var event = try Event.sample(
                    key, type, identifiers, occurredAt: "2026-01-31T10:\(10 + minute):00Z")
                event.source = Event.browserSource
                return event
            }
            try await brand.write([
                .sample("1", [.email: "ann@b.com"]), .sample("2", [.phone: "+12025550101"]),
            ])
            try await brand.write([
                page("3", [.email: "ann@b.com", .phone: "+12025550101"], at: 0),
                page("4", [.email: "ann@b.com", .cookieID: "c"], .identify, at: 1),
                page("5", [.cookieID: "c"], at: 2),
                page("6", [.email: "eve@b.com", .loyaltyID: "l"], at: 3),
            ])
            let apart: Set = [
                ["email ann@b.com"], ["phone +12025550101"], ["email eve@b.com"], ["loyalty_id l"],
            ]
            #expect(try await brand.people() == apart)
            let places = try await brand.places()
            #expect(places["3"] == "phone +12025550101" && places["5"] == "email ann@b.com")
            try await brand.expectHealthy("at first")
            for kind in ["block", "unblock"] {
                let id = try await brand.id("phone +12025550101")
                try await brand.decide(kind == "block" ? .block(id) : .unblock(id))
                try await brand.expectHealthy(kind)
            }
            #expect(try await brand.people() == apart)
            try await brand.write([.sample("7", [.email: "ann@b.com", .phone: "+12025550101"])])
            #expect(try await brand.people().contains(["email ann@b.com", "phone +12025550101"]))
            try await brand.expectHealthy("tied by another key")
        }
    }
}
