import Contract
import Foundation
import Kernel
import Postgres
import Sealing
import Testing
import TestSupport
import Web

@testable import ControlPlane

@Suite("API keys")
struct KeyTests {
    @Test("a key is shown once, stored as its hash, and projected before the answer")
    func creates() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let path = "/api/admin/brands/\(slug)/keys"
            let draft = KeyDraft(name: "till 4", scopes: ["events:write"], environment: "test")
            let answer = try await test.call(.post, path, draft, headers: [.idempotencyKey: "k"])
            #expect(answer.status == 201)
            let made = try answer.decode(KeyCreated.self)
            let parsed = try #require(APIKeyText.parse(made.key))
            #expect((parsed.slug, parsed.publicId, parsed.environment) == (slug, made.view.publicId, .test))
            let projected = try await test.projectedKeys(slug)
            #expect(projected.map(\.hash) == [parsed.hash])
            #expect(projected.map(\.scopes) == [["events:write"]])
            let again = try await test.call(.post, path, draft, headers: [.idempotencyKey: "k"])
                .decode(KeyCreated.self)
            #expect(again.view.publicId == made.view.publicId)
            #expect(again.key == "shown once, when the key was created")
            let listed = try await test.call(.get, path).decode(Page<KeyView>.self)
            #expect(listed.items.map(\.publicId) == [made.view.publicId])
        }
    }

    @Test("keys of a brand whose schema is not there are listed, and were never used")
    func withoutSchema() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let path = "/api/admin/brands/\(slug)/keys"
            let made = try await test.call(.post, path, KeyDraft(name: "a")).decode(KeyCreated.self)
            let (schema, aside) = (slug.schemaName, "\(slug.schemaName)_aside")
            let brands = test.foundations.brands
            try await brands.run("alter schema \(identifier: schema) rename to \(identifier: aside)")
            let listed = try await test.call(.get, path)
            try await brands.run("alter schema \(identifier: aside) rename to \(identifier: schema)")
            let keys = try listed.decode(Page<KeyView>.self).items
            #expect(keys.map(\.publicId) == [made.view.publicId] && keys.first?.lastUsedAt == nil)
        }
    }

    @Test("a revocation is answered once the brand's schema says it, and can be repeated")
    func revokes() async throws {
        try await TestPlane.with { test in
            let (slug, other) = (try TestPlane.slug(), try TestPlane.slug())
            try await test.provision(slug)
            try await test.provision(other)
            let path = "/api/admin/brands/\(slug)/keys"
            let made = try await test.call(.post, path, KeyDraft(name: "a")).decode(KeyCreated.self)
            let id = made.view.publicId
            #expect(try await test.call(.delete, "/api/admin/brands/\(other)/keys/\(id)").status == 404)
            #expect(try await test.projectedKeys(slug).map(\.isRevoked) == [false])
            #expect(try await test.call(.delete, "\(path)/\(id)").status == 204)
            #expect(try await test.projectedKeys(slug).map(\.isRevoked) == [true])
            #expect(try await test.call(.delete, "\(path)/\(id)").status == 204)
            #expect(try await test.call(.delete, "\(path)/unknown").status == 404)
        }
    }

    @Test("a revocation that cannot be projected is not answered as done, and is projected later")
    func revokesLater() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let path = "/api/admin/brands/\(slug)/keys"
            let made = try await test.call(.post, path, KeyDraft(name: "a")).decode(KeyCreated.self)
            let table: SQL = "\(identifier: slug.schemaName).api_key"
            try await test.foundations.brands.run("alter table \(table) rename to away")
            let answer = try await test.call(.delete, "\(path)/\(made.view.publicId)")
            #expect(answer.status == 503)
            try await test.foundations.brands.run(
                "alter table \(identifier: slug.schemaName).away rename to api_key")
            try await test.plane.reconciler.pass()
            #expect(try await test.projectedKeys(slug).map(\.isRevoked) == [true])
        }
    }

    @Test("a plan bounds how many keys work at once")
    func bounded() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let path = "/api/admin/brands/\(slug)/keys"
            let first = try await test.call(.post, path, KeyDraft(name: "a")).decode(KeyCreated.self)
            #expect(try await test.call(.post, path, KeyDraft(name: "b")).status == 201)
            #expect(try await test.call(.post, path, KeyDraft(name: "c")).status == 429)
            _ = try await test.call(.delete, "\(path)/\(first.view.publicId)")
            #expect(try await test.call(.post, path, KeyDraft(name: "c")).status == 201)
        }
    }

    @Test("an older projection never replaces a newer one")
    func monotonic() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let store = InstanceStore(pool: test.foundations.control, clock: test.clock)
            let old = try #require(try await store.projection(slug))
            _ = try await test.call(.post, "/api/admin/brands/\(slug)/keys", KeyDraft(name: "a"))
            try await TenantStore(pool: test.foundations.brands, clock: test.clock).write(old)
            #expect(try await test.projectedKeys(slug).count == 1)
        }
    }
}

extension TestPlane {
    /// The keys as the brand's schema has them.
    func projectedKeys(_ slug: Slug) async throws -> [(hash: [UInt8], scopes: [String], isRevoked: Bool)] {
        try await foundations.brands.run(
            """
            select hash, scopes, revoked_at is not null from \(identifier: slug.schemaName).api_key
            order by public_id
            """
        ).decode(([UInt8], [String], Bool).self).map { ($0.0, $0.1, $0.2) }
    }
}
