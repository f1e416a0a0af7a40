import Contract
import Foundation
import HTTPTypes
import Kernel
import Sealing
import TestSupport
import Testing
import Web

@testable import ControlPlane

/// What is tried with tokens on the control plane's routes.
@Suite("The control plane's tokens under attack")
struct TokenAttackTests {
    private let path = "/api/admin/brands"

    @Test("whatever is made of a genuine token is answered 401, all of it in the same words")
    func forged() async throws {
        try await TestPlane.with { test in
            let genuine = try await test.login(.admin).accessToken
            #expect(try await test.call(.get, path, token: genuine).status == 200)
            var details: Set<String> = []
            var count = 0
            for key in test.foundations.keys.tokenKeys {
                for (attack, token) in ForgedTokens(of: genuine, signedBy: key).all {
                    let answer = try await test.call(.get, path, token: token)
                    #expect(answer.status == 401, "\(attack)")
                    details.insert(try answer.problem.detail)
                    count += 1
                }
            }
            print("forged tokens on the control plane: \(count)")
            #expect(details.count == 1, "\(details)")
        }
    }

    @Test("of two credentials in one request neither counts, unless they are in different headers")
    func duplicated() async throws {
        try await TestPlane.with { test in
            let genuine = try await test.login(.admin).accessToken
            let other = try await test.login(.operator, email: "bo@example.com").accessToken
            for pair in [[genuine, other], [genuine, "x"], ["x", genuine], [genuine, genuine]] {
                var headers = HTTPFields()
                for token in pair {
                    headers.append(HTTPField(name: .authorization, value: "Bearer \(token)"))
                }
                let answer = try await test.send(.get, path, text: nil, token: "", headers: headers)
                #expect(answer.status == 401, "\(pair.map { $0.prefix(8) })")
            }
            let values = ["bearer", "Bearer", "Bearer  ", "Basic \(genuine)", "Token \(genuine)", genuine, ""]
            for value in values {
                let headers: HTTPFields = [.authorization: value]
                let answer = try await test.send(.get, path, text: nil, token: "", headers: headers)
                #expect(answer.status == 401, "\(value.prefix(12))")
            }
        }
    }

    @Test("a refresh token that many send at once is good for one, and ends the session of that one too")
    func replayed() async throws {
        try await TestPlane.with { test in
            let body = RefreshRequest(refreshToken: try await test.login(.admin).refreshToken)
            let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
                for _ in 0..<8 {
                    group.addTask { try await test.call(.post, "/api/auth/refresh", body, token: "") }
                }
                return try await group.reduce(into: [Answer]()) { $0.append($1) }
            }
            let good = answers.filter { $0.status == 200 }
            #expect(good.count == 1)
            #expect(answers.count { $0.status == 401 } == 7)
            let next = try #require(good.first).decode(TokenPair.self)
            let last = RefreshRequest(refreshToken: next.refreshToken)
            #expect(try await test.call(.post, "/api/auth/refresh", last, token: "").status == 401)
        }
    }

    @Test("what is no refresh token is answered 401, whatever it is")
    func oddRefreshTokens() async throws {
        try await TestPlane.with { test in
            let pair = try await test.login(.admin)
            for text in [
                "", "' or 1=1 --", "ci_refresh_", "../../etc/passwd", String(repeating: "a", count: 10_240),
                pair.accessToken, String(pair.refreshToken.dropLast()), pair.refreshToken + "0",
                pair.refreshToken.uppercased(), " \(pair.refreshToken)", "\u{0}", "é",
            ] {
                let body = RefreshRequest(refreshToken: text)
                let answer = try await test.call(.post, "/api/auth/refresh", body, token: "")
                #expect(answer.status == 401, "\(text.prefix(20))")
            }
            let genuine = RefreshRequest(refreshToken: pair.refreshToken)
            #expect(try await test.call(.post, "/api/auth/refresh", genuine, token: "").status == 200)
            #expect(try await test.call(.get, path, token: pair.refreshToken).status == 401)
        }
    }

    @Test("how long a login takes does not tell whether there is such a user")
    func timing() async throws {
        try await TestPlane.with { test in
            _ = try await test.login(.admin, email: "ana@example.com")
            let clock = ContinuousClock()
            var times: [String: [Duration]] = [:]
            for round in 0..<5 {
                for email in ["ana@example.com", "nobody\(round)@example.com"] {
                    let body = LoginRequest(email: email, password: "wrong")
                    let start = clock.now
                    let answer = try await test.call(.post, "/api/auth/login", body, token: "")
                    let time = clock.now - start
                    #expect(answer.status == 401)
                    times[email.hasPrefix("ana") ? "known" : "unknown", default: []].append(time)
                }
            }
            let medians = times.mapValues { $0.sorted()[$0.count / 2] }
            let ratio = try #require(medians["known"]) / (try #require(medians["unknown"]))
            print("login: a known user's refusal takes \(ratio) times an unknown one's")
            // A hash takes a thousand times as long as none.
            #expect((0.4...2.5).contains(ratio))
        }
    }
}
