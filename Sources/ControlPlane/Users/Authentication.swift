import Contract
import Hummingbird
import Kernel
import Sealing
import Web

/// How a listener finds out who is asking.
enum Authentication: Sendable {
    /// By an access token; the user's role and brand are looked up, so a change of them works at once.
    case token(PlatformKeys, UserStore, any WallClock)
    /// Whoever can open the operator socket is the operator on this machine.
    case local

    /// Whether requests come through the operator socket.
    var isLocal: Bool { if case .local = self { true } else { false } }

    fileprivate func principal(_ request: Request, doing: String) async throws -> Principal {
        guard case .token(let keys, let users, let clock) = self else { return .local }
        guard let token = request.bearerCredential else {
            throw Fault(.unauthenticated, doing: doing, "send an access token as Authorization: Bearer")
        }
        let verifier = TokenVerifier(keys: keys.tokenKeys, audience: "control")
        guard let claims = try? verifier.verify(token, at: clock.now()), let id = UserID(claims.sub),
            let user = try await users.user(id)
        else {
            throw Fault(.unauthenticated, doing: doing, "the access token is not valid or has expired")
        }
        return Principal(kind: .user(id), role: user.role, brand: user.brand)
    }
}

/// Puts the principal into the context, or refuses the request; a refused change is recorded in `audit`.
struct AuthenticationMiddleware: RouterMiddleware {
    let authentication: Authentication
    var audit: Audit?

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        do {
            context.principal = try await authentication.principal(
                request, doing: "\(request.method) \(request.uri.path)")
        } catch let fault as Fault where AuditedRequest.isChange(request) {
            await audit?.refused(
                AuditedRequest(request, context, isLocal: authentication.isLocal), fault)
            throw fault
        }
        context.logger[metadataKey: "principal"] = "\(context.principal.map { "\($0)" } ?? "")"
        return try await next(request, context)
    }
}
