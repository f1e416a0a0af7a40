import Contract
import Foundation
import HTTPTypes
import Kernel
import Supervision
import TestSupport
import Testing
import Web

@testable import ControlPlane

@Suite("The log of a brand's instance")
struct InstanceLogTests {
    @Test("its lines are the instance's and its supervisor's, on pages that lead to each other")
    func pages() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let path = "/api/admin/instances/\(slug)/logs"
            let file = test.foundations.layout.log(slug)
            let handle = try #require(FileHandle(forWritingAtPath: file))
            try handle.seekToEnd()
            try handle.write(contentsOf: Data("from the instance\n".utf8))
            let answer = try await test.call(.get, path)
            let document = try OpenAPIDocument(of: "ControlPlane")
            let operation = "GET /api/admin/instances/{slug}/logs"
            #expect(answer.status == 200)
            #expect(try document.faults(in: answer.body, of: operation, status: 200) == [])
            let entries = try answer.decode(Page<LogEntry>.self).items
            #expect(entries.last?.message == "from the instance" && entries.last?.source == .service)
            let ready = try #require(entries.first { $0.message == "\(slug.unitName) is ready" })
            #expect(ready.source == .supervisor && ready.level == .info)
            let first = try await test.call(.get, "\(path)?since=2026-01-31T00:00:00Z&limit=1")
                .decode(Page<LogEntry>.self)
            #expect(first.items == Array(entries.prefix(1)))
            let cursor = try #require(first.nextCursor)
            let rest = try await test.call(.get, "\(path)?cursor=\(cursor)").decode(Page<LogEntry>.self)
            #expect(rest.items == Array(entries.dropFirst()) && rest.nextCursor == nil)
        }
    }

    @Test("only admins and operators read it, of a brand that is there, from where something can be")
    func refusals() async throws {
        try await TestPlane.with { test in
            let slug = try await test.reserve()
            let path = "/api/admin/instances/\(slug)/logs"
            #expect(try await test.call(.get, path).decode(Page<LogEntry>.self).items.isEmpty)
            let missing = try await test.call(.get, "/api/admin/instances/no-such/logs?follow=true")
            #expect(missing.status == 404)
            #expect(try missing.problem.detail.contains("there is no brand 'no-such'"))
            for (query, field) in [
                ("limit=0", "limit"), ("limit=1001", "limit"), ("since=then", "since"),
                ("follow=yes", "follow"),
            ] {
                let answer = try await test.call(.get, "\(path)?\(query)")
                #expect(answer.status == 400)
                #expect(try answer.problem.field == field)
            }
            let staff = try await test.login(.operator, email: "op@example.com").accessToken
            #expect(try await test.call(.get, path, token: staff).status == 200)
            let owner = try await test.login(.brandOwner, brand: "\(slug)", email: "own@example.com")
            #expect(try await test.call(.get, path, token: owner.accessToken).status == 403)
            #expect(try await test.call(.get, path, token: "").status == 401)
        }
    }
}
