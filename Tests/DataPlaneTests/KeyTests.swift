import Contract
import Foundation
import Kernel
import Sealing
import Testing

@testable import DataPlane

@Suite("Who may ask", .timeLimit(.minutes(5)))
struct KeyTests {
    private let path = "/api/monitoring/stats"

    @Test("a missing, mistyped, unknown, foreign, expired or hostile key is refused, each with its own words")
    func wrongKeys() async throws {
        try await TestInstance.with { instance in
            let now = SystemWallClock().now()
            let expired = try await TestInstance.mintKey(instance.brand, expiresAt: now - .seconds(1))
            let good = try await TestInstance.mintKey(instance.brand, expiresAt: now + .seconds(3600))
            let unknown = APIKeyText.mint(instance.brand.slug, .live).key.reveal()
            let foreign = APIKeyText.mint(try Slug("another"), .live).key.reveal()
            var mistyped = Array(instance.key)
            mistyped[20] = mistyped[20] == "x" ? "y" : "x"
            try await instance.serving {
                #expect(try await instance.call("GET", path, key: good).status == 200)
                for (key, words) in [
                    ("", "send an API key"), (String(mistyped), "malformed or mistyped"),
                    (unknown, "no such API key"),
                    (expired, "has expired"), ("ci_", "malformed"), ("ci_live_../../etc_a_b", "malformed"),
                    ("ci_live_a'; drop table api_key; --_x_y", "malformed"),
                    ("nothing", "token is malformed"),
                    (String(repeating: "a", count: 8000), "token is malformed"),
                    ("ci_live_A_B_C\"", "malformed"),
                ] {
                    let answer = try await instance.call("GET", path, key: key)
                    answer.expectProblem(401, .unauthenticated, nil, words, key)
                    #expect(answer.headers["www-authenticate"] == "Bearer")
                }
                try await instance.call("GET", path, key: foreign).expectProblem(
                    403, .forbidden, nil, "another brand")
                let other = try await instance.call(
                    "GET", path, headers: ["X-API-Key": instance.key], key: "")
                #expect(other.status == 200, "a key may come as X-API-Key")
            }
        }
    }

    @Test("a key may do what its scopes say, and nothing else")
    func scopes() async throws {
        try await TestInstance.with { instance in
            var keys: [KeyScope: String] = [:]
            for scope in KeyScope.allCases {
                keys[scope] = try await TestInstance.mintKey(instance.brand, scopes: [scope])
            }
            let routes: [(String, String, KeyScope)] = [
                ("POST", "/api/events", .eventsWrite), ("POST", "/api/events/batch", .eventsWrite),
                ("POST", "/api/integrations/csv?map=email:1", .eventsWrite),
                ("GET", "/api/events", .eventsRead),
                ("GET", "/api/events/x", .eventsRead), ("GET", "/api/profiles", .profilesRead),
                ("GET", "/api/profiles/x", .profilesRead), ("GET", "/api/operations", .eventsRead),
                ("GET", "/api/operations/x", .eventsRead),
                ("GET", "/api/operations/x/rejections", .eventsRead),
                ("GET", "/api/monitoring/stats", .statsRead), ("GET", "/api/monitoring/health", .statsRead),
                ("GET", "/api/orders", .ordersRead), ("GET", "/api/rates", .ordersRead),
                ("PUT", "/api/rates", .ordersWrite),
                ("GET", "/api/products", .productsRead), ("GET", "/api/products/x", .productsRead),
                ("POST", "/api/products", .productsWrite), ("PUT", "/api/products/x", .productsWrite),
                ("DELETE", "/api/products/x", .productsWrite), ("GET", "/api/inventory", .inventoryRead),
                ("POST", "/api/inventory", .inventoryWrite), ("PUT", "/api/inventory/x/y", .inventoryWrite),
                ("DELETE", "/api/inventory/x/y", .inventoryWrite),
            ]
            try await instance.serving {
                for (method, path, needed) in routes {
                    for (scope, key) in keys {
                        let answer = try await instance.call(method, path, Array("{}".utf8), key: key)
                        if scope == needed {
                            #expect(answer.status != 403, "\(method) \(path)")
                        } else {
                            answer.expectProblem(
                                403, .forbidden, nil, "lacks the scope '\(needed.rawValue)'", path)
                        }
                    }
                }
            }
        }
    }

    @Test("a key works as soon as it is projected, for all who use it at once")
    func newKeys() async throws {
        try await TestInstance.serving { instance in
            for _ in 0..<5 {
                let key = try await TestInstance.mintKey(instance.brand)
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<4 {
                        group.addTask { try await instance.call("GET", path, key: key).status }
                    }
                    for try await status in group { #expect(status == 200) }
                }
            }
        }
    }

    @Test(
        "a key that is revoked is refused soon after, and so are the events of a suspended brand"
    )
    func revoked() async throws {
        try await TestInstance.serving { instance in
            let other = try await TestInstance.mintKey(instance.brand)
            try await eventually("the new key is known", within: .seconds(10)) {
                try await instance.call("GET", path, key: other).status == 200
            }
            let publicID = try #require(APIKeyText.parse(other)).publicId
            let database = instance.brand.database
            try await database.run("update api_key set revoked_at = now() where public_id = \(publicID)")
            try await database.run("update brand_state set revision = revision + 1")
            try await eventually("the key is refused", within: .seconds(10)) {
                try await instance.call("GET", path, key: other).status == 401
            }
            try await instance.call("GET", path, key: other).expectProblem(
                401, .unauthenticated, nil, "was revoked")
            #expect(try await instance.call("GET", path).status == 200)
            try await database.run("update brand_state set status = 'suspended', revision = revision + 1")
            let event = #"{"type":"purchase","properties":{"total":"1"}}"#
            try await eventually("events are refused", within: .seconds(10)) {
                try await instance.post("/api/events", event).status == 403
            }
            try await instance.post("/api/events", event).expectProblem(403, .forbidden, nil, "suspended")
            try await instance.post("/api/integrations/csv?map=total:1", "total\n1")
                .expectProblem(403, .forbidden, nil, "suspended")
        }
    }

    @Test(
        "a user's token is good when it was made for this brand, for now, and by the service"
    )
    func tokens() async throws {
        try await TestInstance.serving { instance in
            let now = SystemWallClock().now()
            let user = UUIDv7(at: now).description
            func token(
                _ audience: String, _ role: String = "brand_owner", at instant: Timestamp,
                by signer: TokenSigner? = nil
            ) throws -> String {
                try (signer ?? instance.signer).sign(
                    TokenClaims(sub: user, aud: audience, role: role, iat: instant, lifetime: .seconds(300)))
            }
            let here = "brand:\(instance.brand.slug)"
            #expect(try await instance.call("GET", path, key: token(here, at: now)).status == 200)
            let stranger = TokenSigner(key: .generate())
            for wrong in [
                try token("control", at: now), try token("brand:another", at: now),
                try token(here, at: now - .seconds(301)), try token(here, at: now, by: stranger),
            ] {
                try await instance.call("GET", path, key: wrong).expectProblem(
                    401, .unauthenticated, nil, "token")
            }
            try await instance.call("GET", path, key: token(here, "emperor", at: now))
                .expectProblem(403, .forbidden, nil, "'emperor' is not known")
        }
    }

    @Test("events of a test key are kept and listed, and not counted")
    func testKey() async throws {
        try await TestInstance.with { instance in
            let key = try await TestInstance.mintKey(instance.brand, .test)
            try await instance.serving {
                let event =
                    #"{"type":"purchase","properties":{"total":"5"},"identifiers":{"email":"a@b.com"}}"#
                #expect(try await instance.post("/api/events", event, key: key).status == 202)
                try await instance.drained()
                let stats = try await instance.stats()
                #expect(
                    stats.events == 0 && stats.orders == 0 && stats.profiles == 0 && stats.revenue == "0.00")
                let listed = try await instance.get("/api/events", as: Page<ShownEvent>.self)
                #expect(listed.items.map(\.test) == [true])
            }
        }
    }
}

/// What tests read of an event.
struct ShownEvent: Codable, Sendable {
    let id: EventID
    let brandId: BrandID
    let eventId: String
    let type: String
    let test: Bool
    let occurredAt: Timestamp
    let createdAt: Timestamp
    let customerProfileId: ProfileID?
    let identifiers: [String: String]
}
