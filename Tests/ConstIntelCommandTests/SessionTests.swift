import ConstIntelCommand
import Contract
import Foundation
import Kernel
import Synchronization
import Testing

/// A service that gives out sessions: only its newest access token works, a refresh token works once.
private final class Sessions: Sendable {
    private let state = Mutex((number: 0, refreshes: 0))

    var refreshes: Int { state.withLock { $0.refreshes } }

    /// Makes the tokens that were given out so far useless, less the refresh token.
    func endAccess() { state.withLock { $0.number += 1000 } }

    @Sendable func answer(_ asked: Asked, _ service: TestService) async throws -> Reply {
        switch asked.call {
        case "POST /api/auth/login":
            guard asked.json?["password"] == .string("right") else {
                return .problem(401, "unauthenticated", "the e-mail address or the password is wrong")
            }
            return try state.withLock { state in
                state.number += 1
                return try Self.pair(state.number)
            }
        case "POST /api/auth/refresh":
            return try state.withLock { state in
                let number = state.number % 1000
                guard asked.json?["refreshToken"] == .string("refresh-\(number)") else {
                    return .problem(401, "unauthenticated", "the refresh token was used already")
                }
                state.number = number + 1
                state.refreshes += 1
                return try Self.pair(state.number)
            }
        case "POST /api/auth/logout":
            return Reply(status: 204)
        default:
            let number = state.withLock { $0.number }
            guard asked.token == "access-\(number)" else {
                return .problem(401, "unauthenticated", "the token is not valid")
            }
            return Reply(#"{"items":[]}"#)
        }
    }

    private static func pair(_ number: Int) throws -> Reply {
        try Reply(
            TokenPair(accessToken: "access-\(number)", refreshToken: "refresh-\(number)", expiresIn: 600))
    }
}

/// A clock that is ahead of the machine's.
private struct LateClock: WallClock {
    func now() -> Timestamp { SystemWallClock().now() + .seconds(700) }
}

@Suite struct SessionTests {
    /// Saves a session whose tokens are the service's first.
    private func logIn(_ service: TestService) async throws {
        let surroundings = Surroundings(
            environment: ["XDG_CONFIG_HOME": service.configuration],
            streams: Written().streams(terminal: false))
        let tokens = TokenPair(accessToken: "access-0", refreshToken: "refresh-0", expiresIn: 600)
        let session = Session(
            url: service.url, email: "a@b.com", tokens: tokens, now: SystemWallClock().now())
        try SessionStore(in: surroundings).save(session)
    }

    private func session(_ service: TestService) throws -> Session? {
        let surroundings = Surroundings(
            environment: ["XDG_CONFIG_HOME": service.configuration],
            streams: Written().streams(terminal: false))
        return try SessionStore(in: surroundings).load()
    }

    @Test("a session that lasts is used as it is")
    func fresh() async throws {
        let sessions = Sessions()
        try await TestService.run(sessions.answer) { service in
            try await logIn(service)
            let outcome = await service.remotely("user", "list")
            #expect(outcome.status == 0, "\(outcome)")
            #expect(service.asked.map(\.call) == ["GET /api/admin/users"])
        }
    }

    @Test("a session that ends is refreshed before it is used, and the new refresh token saved")
    func expired() async throws {
        let sessions = Sessions()
        try await TestService.run(sessions.answer) { service in
            try await logIn(service)
            for _ in 0..<2 {
                let outcome = await service.remotely("user", "list", clock: LateClock())
                #expect(outcome.status == 0, "\(outcome)")
            }
            #expect(service.asked.map(\.call).first == "POST /api/auth/refresh")
            #expect(try session(service)?.refreshToken == "refresh-\(sessions.refreshes)")
        }
    }

    @Test("a token that is refused is replaced, and the request sent again")
    func refused() async throws {
        let sessions = Sessions()
        try await TestService.run(sessions.answer) { service in
            try await logIn(service)
            sessions.endAccess()
            let outcome = await service.remotely("user", "list")
            #expect(outcome.status == 0, "\(outcome)")
            #expect(
                service.asked.map(\.call) == [
                    "GET /api/admin/users", "POST /api/auth/refresh", "GET /api/admin/users",
                ])
        }
    }

    @Test("commands at the same time refresh once: none uses a refresh token that another used")
    func together() async throws {
        let sessions = Sessions()
        try await TestService.run(sessions.answer) { service in
            try await logIn(service)
            sessions.endAccess()
            await withTaskGroup(of: Outcome.self) { group in
                for _ in 0..<8 { group.addTask { await service.remotely("user", "list") } }
                for await outcome in group { #expect(outcome.status == 0, "\(outcome)") }
            }
            #expect(sessions.refreshes == 1)
        }
    }

    @Test("a session that cannot be refreshed says to log in again")
    func ended() async throws {
        let sessions = Sessions()
        try await TestService.run(sessions.answer) { service in
            try await logIn(service)
            _ = await service.remotely("user", "list", clock: LateClock())
            try await logIn(service)
            let outcome = await service.remotely("user", "list", clock: LateClock())
            #expect(outcome.status == ExitStatus.failed.rawValue)
            #expect(outcome.error.contains("log in again with: constintel login --url \(service.url)"))
        }
    }

    @Test("without a session for that service, it says to log in")
    func missing() async throws {
        let sessions = Sessions()
        try await TestService.run(sessions.answer) { service in
            let outcome = await service.remotely("user", "list")
            #expect(outcome.status == ExitStatus.failed.rawValue)
            #expect(outcome.error.contains("you are not logged in there; run: constintel login"))
            #expect(service.asked.isEmpty)
        }
    }

    @Test("a login saves a session that works; a wrong password saves nothing")
    func login() async throws {
        let sessions = Sessions()
        try await TestService.run(sessions.answer) { service in
            let wrong = await service.remotely(
                "login", "--email", "a@b.com", "--password-stdin", input: "wrong")
            #expect(wrong.status == ExitStatus.failed.rawValue)
            #expect(wrong.error.hasSuffix(": the e-mail address or the password is wrong\n"))
            let saved = try session(service)
            #expect(saved == nil)
            let right = await service.remotely(
                "login", "--email", "a@b.com", "--password-stdin", input: "right")
            #expect(right.status == 0, "\(right)")
            #expect(right.output == "Logged in to \(service.url) as a@b.com.\n")
            #expect(await service.remotely("user", "list").status == 0)
            let none = await service.remotely("login", "--email", "a@b.com", "--password-stdin")
            #expect(none.error.contains("no password was given"))
        }
    }

    @Test("a logout ends the session at the service and forgets it here")
    func logout() async throws {
        let sessions = Sessions()
        try await TestService.run(sessions.answer) { service in
            try await logIn(service)
            let outcome = await service.remotely("logout")
            #expect(outcome.status == 0, "\(outcome)")
            #expect(service.asked.map { $0.json?["refreshToken"] } == [.string("refresh-0")])
            #expect(try session(service) == nil)
            #expect(await service.remotely("logout").output == "You were not logged in.\n")
        }
    }
}
