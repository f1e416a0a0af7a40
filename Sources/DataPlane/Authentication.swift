import Contract
import Hummingbird
import Kernel
import Sealing
import Web

/// Finds out who is asking: an API key of this brand, or a user token made for it. No other process is asked.
///
/// While the brand is suspended or deleted, its keys and its own users are refused with the reason;
/// administrators and operators go on. What was accepted before stays, and is committed.
struct Authentication: RouterMiddleware {
    static let doing = "authenticate the request"

    let slug: Slug
    let brand: BrandFollower
    /// The keys of user tokens that it was started with.
    let tokenKeys: [VerifyingKey]
    let keys: KeyAuthentication
    let clock: any WallClock

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        let (request, writeKey) = try await WriteKey.find(in: request)
        let (admitted, context) = try await admit(request, writeKey, context)
        return try await next(admitted, context)
    }

    /// The request and its context, with who sends it.
    private func admit(
        _ request: Request, _ writeKey: String?, _ context: WebContext
    ) async throws -> (Request, WebContext) {
        let sent = writeKey ?? request.bearerCredential ?? BrowserAccess.credential(in: request)
        guard let credential = sent else {
            throw Fault(
                .unauthenticated, doing: Authentication.doing,
                "send an API key or a token as 'Authorization: Bearer …', or a key as 'X-API-Key'")
        }
        if credential.hasPrefix("ci_") { return try await keys.admit(credential, request, context) }
        var context = context
        context.principal = try principal(ofToken: credential)
        return (request, context)
    }

    private func principal(ofToken text: String) throws -> Principal {
        let projection = try brand.projection()
        let keys = projection.tokenKeys.isEmpty ? tokenKeys : projection.tokenKeys
        let tokens = TokenVerifier(keys: keys, audience: "brand:\(slug)")
        guard let claims = try? tokens.verify(text, at: clock.now()) else {
            throw Fault(
                .unauthenticated, doing: Authentication.doing,
                "the token is malformed, has expired, or was not made for this brand")
        }
        guard let role = UserRole(rawValue: claims.role) else {
            throw Fault(
                .forbidden, doing: Authentication.doing, "the token's role '\(claims.role)' is not known")
        }
        if role == .brandOwner || role == .brandUser {
            try projection.requireOpen(doing: Authentication.doing)
        }
        let kind: Principal.Kind = UserID(claims.sub).map { .user($0) } ?? .local
        return Principal(kind: kind, role: role, brand: slug.text)
    }
}
