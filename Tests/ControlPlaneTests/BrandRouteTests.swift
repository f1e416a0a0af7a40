import Contract
import Foundation
import HTTPTypes
import Kernel
import Postgres
import Testing
import TestSupport
import Web

@testable import ControlPlane

@Suite("The routes of brands and operations")
struct BrandRouteTests {
    @Test("a brand that is asked for is reserved at once, and its slug is taken")
    func reserves() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            let answer = try await test.call(.post, "/api/admin/brands", BrandDraft(slug: slug.text))
            #expect(answer.status == 202)
            let operation = try answer.decode(OperationView.self)
            #expect(answer.headers[.location] == "/api/admin/operations/\(operation.id)")
            #expect(operation.state == .pending)
            let brand = try await test.call(.get, "/api/admin/brands/\(slug)").decode(BrandView.self)
            #expect(brand.status == .provisioning)
            let second = try await test.call(.post, "/api/admin/brands", BrandDraft(slug: slug.text))
            #expect(second.status == 409)
            #expect(try second.problem.field == "slug")
            let key = try await test.call(.post, "/api/admin/brands/\(slug)/keys", KeyDraft(name: "early"))
            #expect(key.status == 409)
        }
    }

    @Test("what is wrong is answered with its field, and nothing else changes")
    func refuses() async throws {
        try await TestPlane.with { test in
            let texts: [(String, String?, Int)] = [
                ("{", nil, 400), ("", nil, 400), ("[]", nil, 400), ("{}", "slug", 400),
                (#"{"slug": 7}"#, "slug", 400), (#"{"slug": "acme", "plan": "gold"}"#, "plan", 400),
                (#"{"slug": "acme", "name": "\u0000"}"#, "name", 400), (#"{"slug": "x"}"#, "slug", 400),
                (#"{"slug": ""# + String(repeating: "a", count: 300_000) + #""}"#, nil, 413),
            ]
            for (text, field, status) in texts {
                let answer = try await test.send(.post, "/api/admin/brands", text: text)
                #expect(answer.status == status, "\(text.prefix(60))")
                #expect(try answer.problem.field == field, "\(text.prefix(60))")
            }
            for path in [
                "/api/admin/brands/none", "/api/admin/brands/..%2F", "/api/admin/operations/7", "/api/x",
            ] {
                #expect(try await test.call(.get, path).status == 404, "\(path)")
            }
            for query in ["limit=0", "limit=x", "limit=100000", "cursor=%00"] {
                #expect(try await test.call(.get, "/api/admin/brands?\(query)").status == 400, "\(query)")
            }
            let brands = try await test.call(.get, "/api/admin/brands").decode(Page<BrandView>.self)
            #expect(brands.items.isEmpty)
            let operations = try await test.call(.get, "/api/admin/operations").decode(
                Page<OperationView>.self)
            #expect(operations.items.isEmpty)
        }
    }

    @Test("lists come in pages that together are everything once")
    func pages() async throws {
        try await TestPlane.with { test in
            var slugs: [String] = []
            for _ in 0..<5 { slugs.append(try await test.reserve().text) }
            var found: [String] = []
            var query = "limit=2"
            while true {
                let page = try await test.call(.get, "/api/admin/brands?\(query)").decode(
                    Page<BrandView>.self)
                found += page.items.map(\.slug.text)
                guard let next = page.nextCursor else { break }
                query = "limit=2&cursor=\(next)"
            }
            #expect(found == slugs.sorted())
            let first = try await test.call(.get, "/api/admin/operations?limit=2")
                .decode(Page<OperationView>.self)
            #expect(first.items.map(\.subject) == [slugs[4], slugs[3]])
            let only = try await test.call(.get, "/api/admin/operations?subject=\(slugs[1])")
                .decode(Page<OperationView>.self)
            #expect(only.items.map(\.subject) == [slugs[1]])
        }
    }

    @Test("requests under one Idempotency-Key are one request for a day")
    func idempotency() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            let key: HTTPFields = [.idempotencyKey: "k1"]
            let draft = BrandDraft(slug: slug.text)
            async let left = test.call(.post, "/api/admin/brands", draft, headers: key)
            async let right = test.call(.post, "/api/admin/brands", draft, headers: key)
            let answers = try await [left, right]
            #expect(answers.map(\.status) == [202, 202])
            #expect(answers[0].body == answers[1].body)
            #expect(answers.filter { $0.headers[.idempotencyReplayed] == "true" }.count == 1)
            let other = BrandDraft(slug: try TestPlane.slug().text)
            let misused = try await test.call(.post, "/api/admin/brands", other, headers: key)
            #expect(misused.status == 409)
            #expect(try misused.problem.field == "Idempotency-Key")
            test.clock.advance(by: .seconds(24 * 3600 + 1))
            #expect(try await test.call(.post, "/api/admin/brands", other, headers: key).status == 202)
            let bad = try await test.call(
                .post, "/api/admin/brands", draft, headers: [.idempotencyKey: "a b"])
            #expect(bad.status == 400)
        }
    }

    @Test("an operation is followed as events that end with its final state")
    func follows() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            let id = try await test.request(slug)
            async let settled = test.settle(id)
            let answer = try await test.call(.get, "/api/admin/operations/\(id)/events")
            #expect(answer.headers[.contentType] == "text/event-stream")
            let events = String(decoding: answer.body, as: UTF8.self).split(separator: "\n\n")
            let last = try #require(events.last?.split(separator: "data: ").last)
            #expect(try JSONDecoder().decode(OperationView.self, from: Data(last.utf8)).state == .done)
            #expect(try await settled.state == .done)
        }
    }

    @Test("each role may do what is its own, and no more")
    func roles() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug, plan: "pro")
            let other = try await test.reserve()
            let operatorToken = try await test.login(.operator, email: "op@example.com").accessToken
            let owner = try await test.login(.brandOwner, brand: slug.text, email: "own@example.com")
                .accessToken
            let user = try await test.login(.brandUser, brand: slug.text, email: "use@example.com")
                .accessToken
            let brands = "/api/admin/brands"
            let table: [(HTTPRequest.Method, String, [Int])] = [
                (.get, brands, [200, 200, 200]), (.get, "\(brands)/\(slug)", [200, 200, 200]),
                (.get, "\(brands)/\(other)", [200, 403, 403]), (.post, brands, [403, 403, 403]),
                (.get, "\(brands)/\(slug)/keys", [200, 200, 403]),
                (.post, "\(brands)/\(slug)/keys", [403, 201, 403]),
                (.post, "\(brands)/\(other)/keys", [403, 403, 403]),
                (.get, "/api/admin/operations", [200, 403, 403]),
                (.get, "/api/admin/users", [403, 403, 403]),
                (.get, "/api/admin/platform", [200, 403, 403]), (.post, "/api/admin/users", [403, 403, 403]),
            ]
            for (method, path, expected) in table {
                for (token, status) in zip([operatorToken, owner, user], expected) {
                    let body = method == .post ? KeyDraft(name: "k") : nil
                    let answer = try await test.call(method, path, body, token: token)
                    #expect(answer.status == status, "\(method) \(path) \(token == owner)")
                }
                #expect(try await test.call(method, path, token: "").status == 401)
                #expect(try await test.call(method, path, token: "ci_live_x").status == 401)
            }
            let list = try await test.call(.get, brands, token: owner).decode(Page<BrandView>.self)
            #expect(list.items.map(\.slug) == [slug])
        }
    }

    @Test("the probes say whether the service lives and is ready")
    func probes() async throws {
        try await TestPlane.with { test in
            #expect(try await test.call(.get, "/healthz", token: "").status == 200)
            let ready = try await test.call(.get, "/readyz", token: "")
            #expect(ready.status == 200)
            await test.foundations.brands.close()
            let broken = try await test.call(.get, "/readyz", token: "")
            #expect(broken.status == 503)
            #expect(try broken.decode(HealthView.self).checks["brandsDatabase"] == "does not answer")
        }
    }

    @Test("a control database of a later release is refused by a sentence that says so")
    func laterSchema() async throws {
        try await TestPlane.with { test in
            try await test.asOwner { try await $0.run("update schema_version set version = 999") }
            let fault = await #expect(throws: Fault.self) { try await test.schema().prepare() }
            #expect(fault?.detail.contains("later release") == true)
        }
    }
}

extension TestPlane {
    /// Asks for a brand that no test carries out.
    func reserve() async throws -> Slug {
        let slug = try TestPlane.slug()
        _ = try await request(slug)
        return slug
    }
}
