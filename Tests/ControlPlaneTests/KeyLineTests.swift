import Contract
import Foundation
import Kernel
import Postgres
import Sealing
import Testing
import TestSupport
import Web

@testable import ControlPlane

@Suite("API keys that are replaced")
struct KeyLineTests {
    private func with(
        plan: String = "free", _ body: (TestPlane, Slug, String) async throws -> Void
    ) async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug, plan: plan)
            try await body(test, slug, "/api/admin/brands/\(slug)/keys")
        }
    }

    @Test("a rotation makes a key for the same; the old one ends after the overlap, and each names the other")
    func rotates() async throws {
        try await with { test, slug, path in
            var draft = KeyDraft(
                name: "till 4", scopes: ["events:write", "stats:read"], environment: "test")
            draft.eventsPerSecond = 3
            draft.requestsPerSecond = 2
            let old = try await test.call(.post, path, draft).decode(KeyCreated.self).view
            test.clock.advance(by: .seconds(60))
            let now = test.clock.now()
            let rotate = "\(path)/\(old.publicId)/rotate"
            let answer = try await test.call(
                .post, rotate, APIKeyRotation(overlapSeconds: 3600), headers: [.idempotencyKey: "r"])
            #expect(answer.status == 201)
            let new = try answer.decode(KeyCreated.self)
            #expect(try #require(APIKeyText.parse(new.key)).environment == .test)
            #expect(new.view.name == "till 4" && new.view.scopes == draft.scopes)
            #expect(new.view.eventsPerSecond == 3 && new.view.requestsPerSecond == 2)
            #expect(new.view.replaces == old.publicId && new.view.expiresAt == nil)
            let listed = try await test.call(.get, path).decode(Page<KeyView>.self).items
            let before = try #require(listed.first { $0.publicId == old.publicId })
            let after = try #require(listed.first { $0.publicId == new.view.publicId })
            #expect(before.replacedBy == after.publicId && after.replaces == before.publicId)
            let end = try #require(before.expiresAt)
            #expect(end - now >= .seconds(3600) && end - now < .seconds(3660))
            let projected = try await test.foundations.brands.run(
                """
                select public_id, environment, events_per_second, requests_per_second, expires_at is null
                from \(identifier: slug.schemaName).api_key order by expires_at nulls last
                """
            ).decode((String, String, Int?, Int?, Bool).self)
            #expect(projected.map(\.0) == [old.publicId, after.publicId])
            #expect(projected.allSatisfy { $0.1 == "test" && $0.2 == 3 && $0.3 == 2 })
            #expect(projected.map(\.4) == [false, true])
            let again = try await test.call(
                .post, rotate, APIKeyRotation(overlapSeconds: 3600), headers: [.idempotencyKey: "r"])
            #expect(try again.decode(KeyCreated.self).key.hasPrefix("shown once"))
            let entry = try #require(try await test.audit().first { $0.action.hasSuffix("/rotate") })
            #expect(entry.detail == "key \(after.publicId) in place of \(old.publicId)")
        }
    }

    @Test("without a word the overlap is a day; 0 ends the old key now; a longer one than 30 days is refused")
    func overlaps() async throws {
        try await with(plan: "pro") { test, _, path in
            func made() async throws -> String {
                try await test.call(.post, path, KeyDraft(name: "a")).decode(KeyCreated.self).view.publicId
            }
            func end(_ id: String) async throws -> Duration {
                let keys = try await test.call(.get, path).decode(Page<KeyView>.self).items
                let key = try #require(keys.first { $0.publicId == id })
                return try #require(key.expiresAt) - test.clock.now()
            }
            let day = try await made()
            #expect(try await test.call(.post, "\(path)/\(day)/rotate").status == 201)
            #expect(try await abs((end(day) - .days(1)).inSeconds) < 60)
            let now = try await made()
            let plan = try await test.call(
                .post, "\(path)/\(now)/rotate?plan=true", APIKeyRotation(overlapSeconds: 0))
            #expect(try plan.decode(OperationPlan.self).kind == "key.rotate")
            #expect(
                try await test.call(.post, "\(path)/\(now)/rotate", APIKeyRotation(overlapSeconds: 0)).status
                    == 201)
            #expect(try await end(now) <= .zero)
            let other = try await made()
            for seconds in [-1, 2_592_001] {
                let answer = try await test.call(
                    .post, "\(path)/\(other)/rotate", APIKeyRotation(overlapSeconds: seconds))
                #expect(answer.status == 400)
                #expect(try answer.problem.field == "overlapSeconds")
            }
        }
    }

    @Test("a key is rotated where the plan allows no more, and of a line of keys no more than two work")
    func limit() async throws {
        try await with { test, slug, path in
            var key = try await test.call(.post, path, KeyDraft(name: "a")).decode(KeyCreated.self).view
            #expect(try await test.call(.post, path, KeyDraft(name: "b")).status == 201)
            #expect(try await test.call(.post, path, KeyDraft(name: "c")).status == 429)
            func rotate(_ id: String, _ overlap: Int = 86_400) async throws -> Answer {
                try await test.call(.post, "\(path)/\(id)/rotate", APIKeyRotation(overlapSeconds: overlap))
            }
            let first = key.publicId
            key = try await rotate(first).decode(KeyCreated.self).view
            #expect(try await rotate(first).status == 409, "replaced before")
            let refusal = try await rotate(key.publicId)
            #expect(refusal.status == 409)
            #expect(try refusal.problem.detail.contains("'\(first)', which it has replaced, still works"))
            // In need it is replaced at once; the oldest of the line is still the only other that works.
            key = try await rotate(key.publicId, 0).decode(KeyCreated.self).view
            #expect(try await rotate(key.publicId).status == 409)
            #expect(try await test.call(.post, path, KeyDraft(name: "c")).status == 429)
            let usage = try await test.call(.get, "/api/admin/brands/\(slug)/usage").decode(UsageView.self)
            #expect(usage.items.first { $0.name == "apiKeys" }?.used == 2)
            #expect(try await test.call(.delete, "\(path)/\(first)").status == 204)
            key = try await rotate(key.publicId).decode(KeyCreated.self).view
            #expect(try await test.call(.delete, "\(path)/\(key.publicId)").status == 204)
            #expect(try await rotate(key.publicId).status == 409)
            #expect(try await rotate("unknown").status == 404)
            #expect(try await test.call(.post, path, KeyDraft(name: "c")).status == 201)
        }
    }

    @Test("a key with an end is replaced by one that lives as long, and its end is not put off")
    func lifetimes() async throws {
        try await with { test, _, path in
            let now = test.clock.now()
            let draft = KeyDraft(name: "a", expiresAt: now + .seconds(1000))
            let old = try await test.call(.post, path, draft).decode(KeyCreated.self).view
            test.clock.advance(by: .seconds(500))
            let new = try await test.call(.post, "\(path)/\(old.publicId)/rotate")
                .decode(KeyCreated.self).view
            let left = try #require(new.expiresAt) - test.clock.now()
            #expect(left > .seconds(900) && left <= .seconds(1000))
            let listed = try await test.call(.get, path).decode(Page<KeyView>.self).items
            #expect(listed.first { $0.publicId == old.publicId }?.expiresAt == old.expiresAt)
            test.clock.advance(by: .seconds(2000))
            let late = try await test.call(.post, "\(path)/\(new.publicId)/rotate")
            #expect(late.status == 409)
            #expect(try late.problem.detail.contains("has expired"))
        }
    }

    @Test("a browser key names the sites that it is for, or the brand does; each wrong one is told")
    func browser() async throws {
        try await with { test, slug, path in
            func make(_ origins: [String]?, _ change: (inout KeyDraft) -> Void = { _ in }) async throws
                -> Answer
            {
                var draft = KeyDraft(name: "pages", environment: "browser")
                draft.origins = origins
                change(&draft)
                return try await test.call(.post, path, draft)
            }
            let made = try await make(["https://Shop.example:443", "http://localhost:3000"])
            let created = try made.decode(KeyCreated.self)
            #expect(created.key.hasPrefix("ci_pub_\(slug)_"))
            #expect(created.view.environment == "browser" && created.view.scopes == ["events:write"])
            #expect(created.view.origins == ["https://shop.example", "http://localhost:3000"])
            let projected = try await test.foundations.brands.run(
                "select environment, origins from \(identifier: slug.schemaName).api_key"
            ).decode((String, [String]).self)
            #expect(projected[0].0 == "browser" && projected[0].1 == created.view.origins)
            let many = (0...20).map { "https://s\($0).example" }
            let wrong: [(Answer, String)] = [
                (try await make(nil), "origins"), (try await make([]), "origins"),
                (try await make(many), "origins"), (try await make(["http://shop.example"]), "origins[0]"),
                (try await make(["https://a.example", "https://a.example/x"]), "origins[1]"),
                (try await make(["https://a.example", "https://A.example"]), "origins[1]"),
                (try await make(["*"]), "origins[0]"), (try await make(["null"]), "origins[0]"),
                (try await make(["https://*.example"]), "origins[0]"),
                (try await make(many.dropLast(2)) { $0.scopes = ["stats:read"] }, "scopes"),
                (try await make(["https://a.example"]) { $0.environment = "live" }, "origins"),
                (try await make(["https://a.example"]) { $0.environment = "pub" }, "environment"),
                (try await make(["https://a.example"]) { $0.requestsPerSecond = 0 }, "requestsPerSecond"),
                (try await make(["https://a.example"]) { $0.eventsPerSecond = 100_000 }, "eventsPerSecond"),
            ]
            for (answer, field) in wrong {
                let problem = try answer.problem
                #expect(problem.status == 400 && problem.field == field, "\(problem.detail)")
            }
            try await test.foundations.control.run(
                """
                update brand set settings = settings || '{"origins": ["https://a.example"]}'
                where slug = \(slug)
                """)
            let left = try await make(nil)
            #expect(left.status == 201)
            #expect(try left.decode(KeyCreated.self).view.origins == nil)
        }
    }

    @Test("when a key was last used is what its instance wrote")
    func lastUsed() async throws {
        try await with { test, slug, path in
            let key = try await test.call(.post, path, KeyDraft(name: "a")).decode(KeyCreated.self).view
            func used() async throws -> Timestamp? {
                try await test.call(.get, path).decode(Page<KeyView>.self).items[0].lastUsedAt
            }
            #expect(try await used() == nil)
            let instant = Timestamp(year: 2026, month: 1, day: 31)!
            try await test.foundations.brands.run(
                """
                insert into \(identifier: slug.schemaName).api_key_use values (\(key.publicId), \(instant))
                """)
            #expect(try await used() == instant)
        }
    }
}
