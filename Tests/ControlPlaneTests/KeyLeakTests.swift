import Contract
import Foundation
import Kernel
import Testing
import TestSupport
import Web

@testable import ControlPlane
@testable import Sealing

@Suite("Leaked API keys")
struct KeyLeakTests {
    private static let path = "/api/admin/keys/report-leak"

    /// Two brands with a key each.
    private func with(
        _ body: (TestPlane, [Slug], [KeyCreated]) async throws -> Void
    ) async throws {
        try await TestPlane.with { test in
            let slugs = [try TestPlane.slug(), try TestPlane.slug()]
            var keys: [KeyCreated] = []
            for slug in slugs {
                try await test.provision(slug)
                keys.append(
                    try await test.call(.post, "/api/admin/brands/\(slug)/keys", KeyDraft(name: "a"))
                        .decode(KeyCreated.self))
            }
            try await body(test, slugs, keys)
        }
    }

    @Test("every key in a text of any kind is revoked, told by its brand, and projected before the answer")
    func revokes() async throws {
        try await with { test, slugs, keys in
            let unknown = APIKeyText.mint(slugs[0], .live)
            let text = """
                [{"token": "\(keys[0].key)", "url": "https://x.example/?k=\(keys[1].key)&a=b"}]
                KEY='\(keys[0].key)' \(unknown.key.reveal()) ci_live_ ci_live_acme
                """
            let report = KeyLeakReport(text: text, source: "github")
            let plan = try await test.call(.post, Self.path + "?plan=true", report)
            #expect(try plan.decode(OperationPlan.self).steps[0].effects.count == 3)
            #expect(try await test.projectedKeys(slugs[0]).map(\.isRevoked) == [false])
            let answer = try await test.call(.post, Self.path, report, headers: [.idempotencyKey: "l"])
            #expect(answer.status == 200)
            let found = try answer.decode(KeyLeakAnswer.self).keys
            #expect(
                found.map(\.publicId) == [keys[0].view.publicId, keys[1].view.publicId, unknown.publicId])
            #expect(found.map(\.outcome) == [.revoked, .revoked, .unknown])
            for slug in slugs {
                #expect(try await test.projectedKeys(slug).map(\.isRevoked) == [true])
            }
            let entries = try await test.audit().filter { $0.action == "key.revoke" }
            #expect(Set(entries.map(\.subject)) == Set(slugs.map(\.text)))
            for entry in entries {
                #expect(entry.actor == "local" && entry.outcome == "200")
                #expect(entry.detail?.hasSuffix("was leaked, says github") == true)
            }
            let rows = try await test.auditRows().joined()
            for key in keys { #expect(!rows.contains(key.key)) }
            let again = try await test.call(.post, Self.path, KeyLeakReport(text: text))
            #expect(
                try again.decode(KeyLeakAnswer.self).keys.map(\.outcome)
                    == [.revokedBefore, .revokedBefore, .unknown])
        }
    }

    @Test("whoever knows no more than public ids revokes nothing")
    func publicIds() async throws {
        try await with { test, slugs, keys in
            let id = keys[0].view.publicId
            // Well formed to the last character of the check, by another secret.
            let body = "ci_live_\(slugs[0])_\(id)_\(String(repeating: "a", count: 24))"
            let texts = [id, body, body + "000000", String(keys[0].key.dropLast())]
            let answer = try await test.call(
                .post, Self.path, KeyLeakReport(text: texts.joined(separator: "\n")))
            #expect(answer.status == 200)
            #expect(try await test.projectedKeys(slugs[0]).map(\.isRevoked) == [false])
            let checked = body + Base62.sixDigits(CRC32.of(body.utf8))
            #expect(APIKeyText.parse(checked)?.publicId == id)
            let wellFormed = try await test.call(.post, Self.path, KeyLeakReport(text: checked))
            #expect(try wellFormed.decode(KeyLeakAnswer.self).keys.map(\.outcome) == [.unknown])
            #expect(try await test.projectedKeys(slugs[0]).map(\.isRevoked) == [false])
        }
    }

    @Test("a brand's owner reports the brand's own keys; browser keys stay; others may report nothing")
    func owners() async throws {
        try await with { test, slugs, keys in
            var draft = KeyDraft(name: "pages", environment: "browser")
            draft.origins = ["https://shop.example"]
            let pages = try await test.call(.post, "/api/admin/brands/\(slugs[0])/keys", draft)
                .decode(KeyCreated.self)
            let owner = try await test.login(.brandOwner, brand: slugs[0].text, email: "own@example.com")
            let report = KeyLeakReport(text: "\(keys[0].key) \(keys[1].key) \(pages.key)")
            let answer = try await test.call(.post, Self.path, report, token: owner.accessToken)
            #expect(
                try answer.decode(KeyLeakAnswer.self).keys.map(\.outcome) == [.revoked, .foreign, .published])
            #expect(try await test.projectedKeys(slugs[1]).map(\.isRevoked) == [false])
            #expect(try await test.projectedKeys(slugs[0]).count(where: \.isRevoked) == 1)
            let user = try await test.login(.brandUser, brand: slugs[0].text, email: "use@example.com")
            #expect(try await test.call(.post, Self.path, report, token: user.accessToken).status == 403)
            #expect(try await test.call(.post, Self.path, report, token: "").status == 401)
        }
    }

    @Test("a text without keys is fine, and one that is too large is told so")
    func texts() async throws {
        try await TestPlane.with { test in
            let none = try await test.call(.post, Self.path, KeyLeakReport(text: "nothing here, ci_live_x_y"))
            #expect(try none.decode(KeyLeakAnswer.self).keys.isEmpty)
            let large = KeyLeakReport(text: String(repeating: "a", count: 65_537))
            let refused = try await test.call(.post, Self.path, large)
            #expect(refused.status == 413)
            #expect(try refused.problem.field == "text")
            let source = KeyLeakReport(text: "", source: "")
            #expect(try await test.call(.post, Self.path, source).problem.field == "source")
        }
    }
}
