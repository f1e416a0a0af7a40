import Contract
import Kernel
import Logging
import Sealing
import Web

/// Logging in and out, and the tokens that stand for it.
struct Sessions: Sendable {
    let users: UserStore
    let tokens: RefreshTokenStore
    let brands: BrandStore
    let passwords: PasswordWorker
    let throttle: LoginThrottle
    let keys: PlatformKeys
    /// The edge's base URL.
    let edge: String
    let clock: any WallClock
    let logger: Logger

    /// How long an access token is good; revoking a user takes as long to reach the instances.
    static let accessLifetime = Duration.seconds(600)

    /// Tokens for who knows the password. An unknown address and a wrong password get the same answer, after
    /// the same time.
    func login(_ request: LoginRequest, from address: String) async throws -> TokenPair {
        let email = request.email.lowercased()
        guard email.utf8.count <= 254, request.password.utf8.count <= 1024 else { throw refused("log in") }
        try throttle.admit(email: email, address: address)
        let found = try await users.credentials(email)
        let stored = found.flatMap { PasswordHash(text: $0.1) }
        let password = Secret(request.password)
        guard try await passwords.verify(password, stored), let (id, _) = found,
            let user = try await users.user(id)
        else { throw refused("log in") }
        throttle.forgive(email: email, address: address)
        let newHash = stored?.isOutdated == true ? try await passwords.hash(password) : nil
        try await users.noteLogin(id, newHash: newHash)
        let refresh = newRefreshToken()
        try await tokens.begin(id, hash: SHA256.hash(refresh.utf8))
        return try pair(user, refresh: refresh)
    }

    /// The next tokens for a refresh token, which works once. One that comes a second time ends its family:
    /// somebody has a copy.
    func refresh(_ request: RefreshRequest) async throws -> TokenPair {
        let doing = "refresh the session"
        let successor = newRefreshToken()
        let hash = SHA256.hash(request.refreshToken.utf8)
        switch try await tokens.rotate(hash, to: SHA256.hash(successor.utf8)) {
        case .rotated(let id):
            guard let user = try await users.user(id) else { throw refused(doing) }
            return try pair(user, refresh: successor)
        case .reused(let id):
            AuditNote.add(detail: "a refresh token of user \(id) came a second time; its session is ended")
            logger.warning(
                "a refresh token was used twice; its session is ended", metadata: ["user": "\(id)"])
            throw refused(doing)
        case .unknown:
            throw refused(doing)
        }
    }

    /// Ends the session that the token belongs to.
    func logout(_ request: RefreshRequest) async throws {
        let user = try await tokens.end(SHA256.hash(request.refreshToken.utf8))
        AuditNote.add(actor: user.map { "user \($0)" })
    }

    /// A token for a brand's instance, for who may use that brand.
    func brandToken(_ request: BrandTokenRequest, for principal: Principal) async throws -> BrandToken {
        let doing = "make a token for the brand"
        try principal.require(.readBrand(request.brand), doing: doing)
        guard let slug = try? Slug(request.brand), try await brands.brand(slug) != nil else {
            throw Fault(.notFound, doing: doing, "there is no such brand", field: "brand")
        }
        let subject = if case .user(let id) = principal.kind { id.description } else { "local" }
        let token = try access(
            subject: subject, audience: "brand:\(slug)", role: principal.role ?? .brandUser)
        return BrandToken(
            accessToken: token, expiresIn: Int(Sessions.accessLifetime.components.seconds),
            url: "\(edge)/b/\(slug)")
    }

    private func pair(_ user: User, refresh: String) throws -> TokenPair {
        AuditNote.add(actor: "user \(user.id)")
        return TokenPair(
            accessToken: try access(subject: user.id.description, audience: "control", role: user.role),
            refreshToken: refresh, expiresIn: Int(Sessions.accessLifetime.components.seconds))
    }

    private func access(subject: String, audience: String, role: UserRole) throws -> String {
        try keys.signer.sign(
            TokenClaims(
                sub: subject, aud: audience, role: role.rawValue, iat: clock.now(),
                lifetime: Sessions.accessLifetime))
    }

    private func newRefreshToken() -> String { "ci_refresh_\(RandomText.base62(43))" }

    private func refused(_ doing: String) -> Fault {
        Fault(.unauthenticated, doing: doing, "the credentials are not right")
    }
}
