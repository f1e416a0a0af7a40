import Contract
import Foundation
import HTTPTypes
import Kernel
import Postgres
import Testing
import TestSupport
import Web

@testable import ControlPlane

@Suite("The audit log")
struct AuditTests {
    @Test("a change is recorded before it is handled and again with its answer, and listed as one entry")
    func pairs() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            let answer = try await test.call(
                .post, "/api/admin/brands?source=x", BrandDraft(slug: slug.text),
                headers: [.requestID: "r-1"])
            let operation = try answer.decode(OperationView.self)
            let rows = try await test.foundations.control.run(
                "select id, begun_by, outcome, subject, operation_id from audit_log order by id"
            ).decode((UUIDv7, UUIDv7?, String, String?, OperationID?).self)
            try #require(rows.count == 2)
            #expect(rows[0].1 == nil && rows[0].2 == "begun" && rows[0].3 == nil && rows[0].4 == nil)
            #expect(rows[1].1 == rows[0].0 && rows[1].2 == "202" && rows[1].4 == operation.id)
            let entries = try await test.audit()
            try #require(entries.count == 1)
            let entry = entries[0]
            #expect((entry.actor, entry.origin) == ("local", "operator socket"))
            #expect((entry.action, entry.subject) == ("POST /api/admin/brands", slug.text))
            #expect((entry.outcome, entry.operation) == ("202", operation.id))
            #expect((entry.requestId, entry.detail) == ("r-1", nil))
            _ = try await test.call(.get, "/api/admin/brands")
            #expect(try await test.audit().count == 1, "reading changes nothing")
        }
    }

    @Test("what is refused is recorded too, with the reason and by whom")
    func refusals() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let pair = try await test.login(.operator, email: "op@example.com")
            let user = "user \(try await test.user("op@example.com"))"
            let keys = "/api/admin/brands/\(slug)/keys"
            let draft = BrandDraft(slug: slug.text)
            _ = try await test.call(.post, keys, KeyDraft(name: "k"), token: "")
            _ = try await test.call(.post, keys, KeyDraft(name: "k"), token: pair.accessToken)
            _ = try await test.send(.post, keys, text: "{")
            _ = try await test.call(.delete, "\(keys)/unknown")
            _ = try await test.call(.post, "/api/admin/brands", draft)
            _ = try await test.call(.post, "/api/admin/brands/none/keys", KeyDraft(name: "k"))
            let entries = try await Array(test.audit().prefix(6).reversed())
            #expect(entries.map(\.outcome) == ["401", "403", "400", "404", "409", "404"])
            #expect(entries.map(\.actor) == ["nobody", user, "local", "local", "local", "local"])
            #expect(
                entries.map(\.subject) == [slug.text, slug.text, slug.text, slug.text, nil, "none"])
            let words = [
                "send an access token", "'operator' does not allow", "not valid JSON", "no key",
                "has the slug", "no brand",
            ]
            for (entry, words) in zip(entries, words) {
                #expect(entry.detail?.contains(words) == true, "\(entry)")
            }
            #expect(entries[3].action == "DELETE \(keys)/unknown")
        }
    }

    @Test("sessions are recorded with the address and the user, and nothing that is secret")
    func sessions() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let password = "correct horse battery"
            let first = try await test.login(.admin, email: "ana@example.com")
            let user = "user \(try await test.user("ana@example.com"))"
            for (email, attempt) in [("ana@example.com", "hunter2-hunter2"), (password, "typed-too-early")] {
                let login = LoginRequest(email: email, password: attempt)
                _ = try await test.call(.post, "/api/auth/login", login, token: "")
            }
            let refresh = RefreshRequest(refreshToken: first.refreshToken)
            let second = try await test.call(.post, "/api/auth/refresh", refresh, token: "")
                .decode(TokenPair.self)
            let brandToken = try await test.call(
                .post, "/api/auth/brand-token", BrandTokenRequest(brand: slug.text), token: second.accessToken
            ).decode(BrandToken.self)
            _ = try await test.call(
                .post, "/api/auth/logout", RefreshRequest(refreshToken: second.refreshToken), token: "")
            let key = try await test.call(
                .post, "/api/admin/brands/\(slug)/keys", KeyDraft(name: "k"),
                headers: [.idempotencyKey: "i-k"]
            ).decode(KeyCreated.self)
            _ = try await test.call(.delete, "/api/admin/brands/\(slug)/keys/\(key.key)")
            _ = try await test.send(.post, "/api/admin/users", text: #"{"email": "\#(key.key)"}"#)
            let made = try await test.call(
                .post, "/api/admin/users", UserDraft(email: "bo@example.com", role: .admin)
            ).decode(UserCreated.self)

            let entries = try await test.audit().filter { $0.action.contains("/api/auth/") }.reversed()
            #expect(entries.map(\.outcome) == ["200", "401", "401", "200", "200", "204"])
            #expect(entries.map(\.actor) == [user, "nobody", "nobody", user, user, user])
            #expect(
                entries.map(\.detail) == [
                    "ana@example.com",
                    "ana@example.com: could not log in: the credentials are not right",
                    "could not log in: the credentials are not right", nil, nil, nil,
                ])
            #expect(entries.map(\.subject) == [nil, nil, nil, nil, slug.text, nil])
            let text = try await test.auditRows().joined(separator: "\n")
            #expect(text.contains("key \(key.view.publicId)") && text.contains("user \(made.user.id)"))
            let secrets = [
                password, "hunter2", "typed-too-early", first.refreshToken, second.refreshToken,
                first.accessToken, second.accessToken, brandToken.accessToken, key.key,
                String(key.key.suffix(30)), "ci_live_", "i-k", try #require(made.password),
            ]
            for secret in secrets { #expect(!text.contains(secret), "\(secret)") }
        }
    }

    @Test("a refresh token that comes a second time is recorded as whose it was")
    func stolen() async throws {
        try await TestPlane.with { test in
            let refresh = RefreshRequest(refreshToken: try await test.login(.admin).refreshToken)
            for _ in 0..<2 { _ = try await test.call(.post, "/api/auth/refresh", refresh, token: "") }
            let entry = try #require(try await test.audit().first)
            #expect(entry.outcome == "401" && entry.actor == "nobody")
            let user = try await test.user("ana@example.com")
            #expect(entry.detail?.contains("a refresh token of user \(user) came a second time") == true)
        }
    }

    @Test("the origin is the last hop that the edge has seen, if it is an address")
    func origins() async throws {
        try await TestPlane.with { test in
            let table: [(String?, String)] = [
                ("203.0.113.7", "203.0.113.7"), ("10.0.0.1, 203.0.113.8", "203.0.113.8"),
                ("2001:DB8::1", "2001:db8::1"), ("evil, <script>", "unknown"), ("203.0.113.7:80", "unknown"),
                ("", "unknown"), (nil, "unknown"),
            ]
            let name = try #require(HTTPField.Name("X-Forwarded-For"))
            for (header, origin) in table {
                var fields = HTTPFields()
                fields[name] = header
                _ = try await test.call(
                    .post, "/api/admin/brands", BrandDraft(slug: "acme"), token: "", headers: fields)
                #expect(try await test.audit().first?.origin == origin, "\(header ?? "none")")
            }
            let forged: HTTPFields = [name: "203.0.113.7"]
            _ = try await test.call(.post, "/api/admin/brands", BrandDraft(slug: "-"), headers: forged)
            #expect(try await test.audit().first?.origin == "operator socket")
        }
    }

    @Test("a request that cannot be recorded is refused, and changes nothing")
    func unrecordable() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.asOwner { try await $0.run("revoke insert on audit_log from constintel_control") }
            let answer = try await test.call(.post, "/api/admin/brands", BrandDraft(slug: slug.text))
            #expect(answer.status == 503)
            #expect(try answer.problem.detail.contains("cannot be recorded"))
            #expect(try await test.call(.get, "/api/admin/brands/\(slug)").status == 404)
            let login = LoginRequest(email: "ana@example.com", password: "correct horse battery")
            #expect(try await test.call(.post, "/api/auth/login", login, token: "").status == 503)
            try await test.schema().prepare()
            #expect(
                try await test.call(.post, "/api/admin/brands", BrandDraft(slug: slug.text)).status == 202)
        }
    }

    @Test("a change whose outcome could not be recorded is listed as begun")
    func begun() async throws {
        try await TestPlane.with { test in
            try await test.asOwner {
                try await $0.run(
                    "alter table audit_log add constraint no_outcome check (begun_by is null) not valid")
            }
            let slug = try await test.reserve()
            #expect(try await test.call(.get, "/api/admin/brands/\(slug)").status == 200)
            #expect(try await test.audit().map(\.outcome) == ["begun"])
        }
    }

    @Test("it is read in pages, newest first, by subject and by actor, by admins and operators alone")
    func lists() async throws {
        try await TestPlane.with { test in
            var slugs: [String] = []
            for _ in 0..<5 { slugs.append(try await test.reserve().text) }
            var found: [String?] = []
            var query = "limit=2"
            while true {
                let page = try await test.auditPage(query)
                #expect(page.items.count <= 2)
                found += page.items.map(\.subject)
                guard let next = page.nextCursor else { break }
                query = "limit=2&cursor=\(next)"
            }
            #expect(found == slugs.reversed())
            #expect(try await test.auditPage("subject=\(slugs[1])").items.map(\.subject) == [slugs[1]])
            #expect(try await test.auditPage("actor=nobody").items.isEmpty)
            let path = "/api/admin/audit"
            #expect(try await test.call(.get, "\(path)?cursor=AAAA").status == 400)
            for (role, brand, status) in [
                (UserRole.admin, nil, 200), (.operator, nil, 200), (.brandOwner, slugs[0], 403),
                (.brandUser, slugs[0], 403),
            ] {
                let email = "\(role.rawValue)@example.com"
                let token = try await test.login(role, brand: brand, email: email).accessToken
                #expect(try await test.call(.get, path, token: token).status == status, "\(role)")
            }
            #expect(try await test.call(.get, path, token: "").status == 401)
            #expect(try await test.auditPage("actor=nobody").items.isEmpty, "a reader is not recorded")
        }
    }

    @Test("who has no credentials can fill it only so far")
    func bounded() async throws {
        try await TestPlane.with { test in
            let path = "/api/auth/refresh"
            let wrong = RefreshRequest(refreshToken: "ci_refresh_unknown")
            for _ in 0..<Audit.failuresPerStranger {
                #expect(try await test.call(.post, path, wrong, token: "").status == 401)
            }
            let count = try await test.auditRows().count
            let refused = try await test.call(.post, path, wrong, token: "")
            #expect(refused.status == 429 && refused.headers[.retryAfter] != nil)
            let brand = BrandDraft(slug: "acme")
            #expect(try await test.call(.post, "/api/admin/brands", brand, token: "").status == 401)
            #expect(try await test.auditRows().count == count)
            let elsewhere: HTTPFields = [try #require(HTTPField.Name("X-Forwarded-For")): "203.0.113.7"]
            #expect(try await test.call(.post, path, wrong, token: "", headers: elsewhere).status == 401)
            test.clock.advance(by: FailureWindows.length)
            #expect(try await test.call(.post, path, wrong, token: "").status == 401)
        }
    }

    @Test("a detail is one line of bounded length without keys or tokens; a path shows words and ids")
    func texts() {
        #expect(AuditText.detail("a\nb\u{0}c") == "a b c")
        #expect(AuditText.detail("no key 'ci_live_acme_abc' here") == "no key '…' here")
        #expect(
            AuditText.detail("Bearer eyJhbGciOi.eyJzdWIi.\(String(repeating: "s", count: 86))")
                == "Bearer ….….…")
        #expect(
            AuditText.detail("brand 018f3c1e-7b7a-7c3e-9d0a-0242ac120002")
                == "brand 018f3c1e-7b7a-7c3e-9d0a-0242ac120002")
        #expect(AuditText.detail(String(repeating: "a ", count: 1000)).unicodeScalars.count == 500)
        #expect(AuditText.path("/api/admin/brands/acme/keys/a1B2") == "/api/admin/brands/acme/keys/a1B2")
        #expect(
            AuditText.path("/api/x/ci_live_a_b/%2e/\(String(repeating: "a", count: 65))") == "/api/x/*/*/*")
    }
}

extension TestPlane {
    func auditPage(_ query: String) async throws -> Page<AuditEntry> {
        try await call(.get, "/api/admin/audit?\(query)").decode(Page<AuditEntry>.self)
    }

    /// The newest entries, newest first.
    func audit() async throws -> [AuditEntry] { try await auditPage("limit=200").items }

    func user(_ email: String) async throws -> UserID {
        try #require(
            try await UserStore(pool: foundations.control, clock: clock).credentials(email)
        ).0
    }
}
