import Contract
import HTTPTypes
import Hummingbird
import Kernel
import Web

/// `/api/auth`.
struct SessionRoutes: Sendable {
    let sessions: Sessions
    let authentication: Authentication
    let recording: AuditMiddleware

    func add(to router: WebRouter) {
        let auth = router.group("api/auth").add(middleware: recording)
        auth.post("login") { request, _ in
            let login = try await request.decode(LoginRequest.self, doing: "log in")
            // Only what is an address: somebody may have typed the password into the wrong field.
            AuditNote.add(detail: try? FieldRules.email(login.email, doing: "log in"))
            return try WebResponse.json(
                try await sessions.login(login, from: request.clientAddress ?? "local"))
        }
        auth.post("refresh") { request, _ in
            let refresh = try await request.decode(RefreshRequest.self, doing: "refresh the session")
            return try WebResponse.json(try await sessions.refresh(refresh))
        }
        auth.post("logout") { request, _ in
            try await sessions.logout(request.decode(RefreshRequest.self, doing: "log out"))
            return WebResponse.empty()
        }
        let authenticated = router.group("api/auth").add(
            middleware: AuthenticationMiddleware(authentication: authentication, audit: recording.audit)
        ).add(middleware: recording)
        authenticated.post("brand-token") { request, context in
            let doing = "make a token for the brand"
            let principal = try context.authenticated(doing: doing)
            let wanted = try await request.decode(BrandTokenRequest.self, doing: doing)
            AuditNote.add(subject: (try? Slug(wanted.brand))?.text)
            return try WebResponse.json(try await sessions.brandToken(wanted, for: principal))
        }
    }
}
