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
    private static let doing = "authenticate the request"

    let slug: Slug
    let brand: BrandFollower
    /// The keys of user tokens that it was started with.
    let tokenKeys: [VerifyingKey]
    let clock: any WallClock

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        guard let credential = request.bearerCredential else {
            throw Fault(
                .unauthenticated, doing: Authentication.doing,
                "send an API key or a token as 'Authorization: Bearer …', or a key as 'X-API-Key'")
        }
        var context = context
        context.principal = try await principal(of: credential)
        return try await next(request, context)
    }

    private func principal(of credential: String) async throws -> Principal {
        if credential.hasPrefix("ci_") { return try await principal(ofKey: credential) }
        return try principal(ofToken: credential)
    }

    private func principal(ofKey text: String) async throws -> Principal {
        guard let key = APIKeyText.parse(text) else {
            throw Fault(.unauthenticated, doing: Authentication.doing, "the API key is malformed or mistyped")
        }
        guard key.slug == slug else {
            throw Fault(.forbidden, doing: Authentication.doing, "the API key belongs to another brand")
        }
        var projection = try brand.projection()
        // A key that was made a moment ago works at once.
        if projection.keys[key.publicId] == nil { projection = try await brand.freshProjection() }
        guard let known = projection.keys[key.publicId], constantTimeEquals(known.hash, key.hash)
        else {
            throw Fault(.unauthenticated, doing: Authentication.doing, "there is no such API key")
        }
        if let revokedAt = known.revokedAt, revokedAt <= clock.now() {
            throw Fault(.unauthenticated, doing: Authentication.doing, "the API key was revoked")
        }
        if let expiresAt = known.expiresAt, expiresAt <= clock.now() {
            throw Fault(.unauthenticated, doing: Authentication.doing, "the API key has expired")
        }
        try requireOpen(projection)
        return Principal(kind: .key(key.publicId), role: nil, scopes: known.scopes, isTest: known.isTest)
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
        if role == .brandOwner || role == .brandUser { try requireOpen(projection) }
        let kind: Principal.Kind = UserID(claims.sub).map { .user($0) } ?? .local
        return Principal(kind: kind, role: role, brand: slug.text)
    }

    /// - Throws: `Fault.forbidden` while the brand is suspended or deleted, with the reason.
    private func requireOpen(_ projection: Projection) throws(Fault) {
        switch projection.status {
        case "suspended":
            let reason = projection.statusReason.map { ": \($0)" } ?? ""
            throw Fault(.forbidden, doing: Authentication.doing, "the brand is suspended\(reason)")
        case "deleted":
            throw Fault(.forbidden, doing: Authentication.doing, "the brand was deleted")
        default: return
        }
    }
}

extension WebContext {
    /// The caller, who must be allowed to do what `scope` names. Users of the brand and operators may do all
    /// of it; a key may do what it was made for.
    func require(_ scope: KeyScope, doing: String) throws -> Principal {
        let principal = try authenticated(doing: doing)
        guard principal.role != nil || principal.scopes.contains(scope) else {
            throw Fault(.forbidden, doing: doing, "the API key lacks the scope '\(scope.rawValue)'")
        }
        return principal
    }
}
