import Contract
import Foundation
import Kernel
import Sealing
import Testing

@testable import ControlPlane

@Suite("Sessions and tokens")
struct SessionTests {
    @Test("an unknown address and a wrong password get the same answer")
    func sameAnswer() async throws {
        try await TestPlane.with { test in
            _ = try await test.login(.admin, email: "ana@example.com")
            var details: [String] = []
            for email in ["ana@example.com", "nobody@example.com", "not an address"] {
                let answer = try await test.call(
                    .post, "/api/auth/login", LoginRequest(email: email, password: "wrong"), token: "")
                #expect(answer.status == 401)
                details.append(try answer.problem.detail)
            }
            #expect(Set(details).count == 1)
        }
    }

    @Test("too many failed logins are told to come again later")
    func throttles() async throws {
        try await TestPlane.with { test in
            let wrong = LoginRequest(email: "ana@example.com", password: "wrong")
            for _ in 0..<LoginThrottle.failuresPerEmail {
                #expect(try await test.call(.post, "/api/auth/login", wrong, token: "").status == 401)
            }
            let answer = try await test.call(.post, "/api/auth/login", wrong, token: "")
            #expect(answer.status == 429)
            #expect(answer.headers[.retryAfter] != nil)
        }
    }

    @Test("a refresh token works once, and its second use ends the session")
    func reuse() async throws {
        try await TestPlane.with { test in
            let first = try await test.login(.admin)
            func refresh(_ token: String) async throws -> Answer {
                try await test.call(
                    .post, "/api/auth/refresh", RefreshRequest(refreshToken: token), token: "")
            }
            let second = try await refresh(first.refreshToken).decode(TokenPair.self)
            #expect(second.refreshToken != first.refreshToken)
            #expect(try await refresh(first.refreshToken).status == 401)
            #expect(try await refresh(second.refreshToken).status == 401, "the family has ended")
            #expect(try await refresh("ci_refresh_unknown").status == 401)
        }
    }

    @Test("a session ends by logging out, and by its age")
    func ends() async throws {
        try await TestPlane.with { test in
            let pair = try await test.login(.admin)
            let body = RefreshRequest(refreshToken: pair.refreshToken)
            #expect(try await test.call(.post, "/api/auth/logout", body, token: "").status == 204)
            #expect(try await test.call(.post, "/api/auth/logout", body, token: "").status == 204)
            #expect(try await test.call(.post, "/api/auth/refresh", body, token: "").status == 401)
            let next = try await test.call(
                .post, "/api/auth/login",
                LoginRequest(email: "ANA@example.com", password: "correct horse battery"), token: ""
            ).decode(TokenPair.self)
            test.clock.advance(by: RefreshTokenStore.lifetime)
            let old = RefreshRequest(refreshToken: next.refreshToken)
            #expect(try await test.call(.post, "/api/auth/refresh", old, token: "").status == 401)
        }
    }

    @Test("an access token is good for ten minutes, for this audience, and while its user exists")
    func accessTokens() async throws {
        try await TestPlane.with { test in
            let token = try await test.login(.admin).accessToken
            #expect(try await test.call(.get, "/api/admin/brands", token: token).status == 200)
            #expect(try await test.call(.get, "/api/admin/brands", token: token + "x").status == 401)
            let slug = try await test.reserve()
            let brandToken = try await test.call(
                .post, "/api/auth/brand-token", BrandTokenRequest(brand: slug.text), token: token
            ).decode(BrandToken.self)
            #expect(brandToken.url == "http://edge.test/b/\(slug)")
            #expect(
                try await test.call(.get, "/api/admin/brands", token: brandToken.accessToken).status == 401)
            let verifier = TokenVerifier(
                keys: test.foundations.keys.tokenKeys, audience: "brand:\(slug)")
            #expect(try verifier.verify(brandToken.accessToken, at: test.clock.now()).role == "admin")
            test.clock.advance(by: Sessions.accessLifetime)
            #expect(try await test.call(.get, "/api/admin/brands", token: token).status == 401)
            let fresh = try await test.call(
                .post, "/api/auth/login",
                LoginRequest(email: "ana@example.com", password: "correct horse battery"), token: ""
            ).decode(TokenPair.self)
            try await test.foundations.control.run("delete from \"user\"")
            #expect(try await test.call(.get, "/api/admin/brands", token: fresh.accessToken).status == 401)
        }
    }

    @Test("a brand's owner gets no token for another brand, and nobody one for a brand there is not")
    func brandTokens() async throws {
        try await TestPlane.with { test in
            let (mine, other) = (try await test.reserve(), try await test.reserve())
            let token = try await test.login(.brandOwner, brand: mine.text).accessToken
            func ask(_ slug: String, _ token: String?) async throws -> Int {
                try await test.call(
                    .post, "/api/auth/brand-token", BrandTokenRequest(brand: slug), token: token
                ).status
            }
            #expect(try await ask(mine.text, token) == 200)
            #expect(try await ask(other.text, token) == 403)
            #expect(try await ask(other.text, nil) == 200)
            #expect(try await ask("nobody", nil) == 404)
            #expect(try await ask(mine.text, "") == 401)
        }
    }

    @Test("a minted password is shown once, also when the request is repeated under its key")
    func mintedPassword() async throws {
        try await TestPlane.with { test in
            let draft = UserDraft(email: "ana@example.com", role: .admin)
            let first = try await test.call(
                .post, "/api/admin/users", draft, headers: [.idempotencyKey: "u"])
            let password = try #require(try first.decode(UserCreated.self).password)
            let again = try await test.call(
                .post, "/api/admin/users", draft, headers: [.idempotencyKey: "u"])
            #expect(again.status == 201)
            #expect(try again.decode(UserCreated.self).password == nil)
            #expect(try await test.call(.post, "/api/admin/users", draft).status == 409)
            let login = LoginRequest(email: "ana@example.com", password: password)
            #expect(try await test.call(.post, "/api/auth/login", login, token: "").status == 200)
            let listed = try await test.call(.get, "/api/admin/users").decode(Page<UserView>.self)
            #expect(listed.items.first?.lastLogin != nil)
        }
    }
}
