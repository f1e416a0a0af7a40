import Contract
import HTTPTypes
import Hummingbird
import Kernel
import Web

/// `/api/auth`.
struct SessionRoutes: Sendable {
    let sessions: Sessions
    let authentication: Authentication

    func add(to router: WebRouter) {
        let auth = router.group("api/auth")
        auth.post("login") { request, _ in
            let login = try await request.decode(LoginRequest.self, doing: "log in")
            return try WebResponse.json(try await sessions.login(login, from: request.clientAddress))
        }
        auth.post("refresh") { request, _ in
            let refresh = try await request.decode(RefreshRequest.self, doing: "refresh the session")
            return try WebResponse.json(try await sessions.refresh(refresh))
        }
        auth.post("logout") { request, _ in
            try await sessions.logout(request.decode(RefreshRequest.self, doing: "log out"))
            return WebResponse.empty()
        }
        auth.group("brand-token").add(middleware: AuthenticationMiddleware(authentication: authentication))
            .post { request, context in
                let doing = "make a token for the brand"
                let principal = try context.authenticated(doing: doing)
                let wanted = try await request.decode(BrandTokenRequest.self, doing: doing)
                return try WebResponse.json(try await sessions.brandToken(wanted, for: principal))
            }
    }
}

extension Request {
    /// Where the client is, as the edge saw it: only the edge can open the socket that this came through.
    fileprivate var clientAddress: String {
        HTTPField.Name("X-Forwarded-For").flatMap { headers[$0] } ?? "local"
    }
}
