import Contract
import Hummingbird
import Kernel
import Sealing
import Web

/// Answers requests that carry an API key, as long as the key holds: at the beginning, while the body comes,
/// and at the body's end, before anything of it is accepted.
struct KeyAuthentication: Sendable {
    private static let doing = Authentication.doing

    let slug: Slug
    let brand: BrandFollower
    let limits: KeyLimits
    let uses: KeyUses
    let browsers: BrowserAccess
    let clock: any WallClock

    /// The request, whose body ends with a fault once the key does not hold any more, and its context with
    /// the key.
    ///
    /// - Throws: when the key does not hold, or may not do this.
    func admit(
        _ text: String, _ request: Request, _ context: WebContext
    ) async throws -> (Request, WebContext) {
        let (key, projection) = try await find(text)
        let known = try known(key, in: projection)
        if known.isBrowser { try browsers.admit(request, context, known, of: projection) }
        try require(known, in: projection)
        let publicID = key.publicId
        try limits.admit(
            1, .requests, of: publicID, perSecond: known.requestsPerSecond, telling: context.answerHeaders)
        uses.note(publicID)
        var (request, context) = (request, context)
        context.principal = Principal(
            kind: .key(publicID), role: nil, scopes: known.scopes, isTest: known.isTest)
        context.principal?.isBrowser = known.isBrowser
        let headers = context.answerHeaders
        request.body = RequestBody(
            asyncSequence: GuardedBody(base: request.body, brand: brand) {
                let projection = try brand.projection()
                try require(try self.known(key, in: projection), in: projection)
            } onRefusal: {
                headers.set(.connection, "close")
            })
        return (request, context)
    }

    /// The key as its holder wrote it, with the brand's state in which it is known; one that was made a
    /// moment ago works at once.
    private func find(_ text: String) async throws -> (APIKeyText, Projection) {
        guard let key = APIKeyText.parse(text) else {
            throw Fault(
                .unauthenticated, doing: KeyAuthentication.doing, "the API key is malformed or mistyped")
        }
        guard key.slug == slug else {
            throw Fault(.forbidden, doing: KeyAuthentication.doing, "the API key belongs to another brand")
        }
        let projection = try brand.projection()
        guard projection.keys[key.publicId] == nil else { return (key, projection) }
        return (key, try await brand.freshProjection())
    }

    private func known(_ key: APIKeyText, in projection: Projection) throws(Fault) -> Projection.Key {
        guard let known = projection.keys[key.publicId], constantTimeEquals(known.hash, key.hash) else {
            throw Fault(.unauthenticated, doing: KeyAuthentication.doing, "there is no such API key")
        }
        return known
    }

    /// - Throws: when the key was revoked or has expired, or its brand serves nobody.
    private func require(_ key: Projection.Key, in projection: Projection) throws(Fault) {
        let now = clock.now()
        if let revokedAt = key.revokedAt, revokedAt <= now {
            throw Fault(.unauthenticated, doing: KeyAuthentication.doing, "the API key was revoked")
        }
        if let expiresAt = key.expiresAt, expiresAt <= now {
            throw Fault(.unauthenticated, doing: KeyAuthentication.doing, "the API key has expired")
        }
        try projection.requireOpen(doing: KeyAuthentication.doing)
    }
}

extension WebContext {
    /// The caller, who must be allowed to do what `scope` names. Users of the brand and operators may do all
    /// of it; a key may do what it was made for, and a browser key nothing of it.
    func require(_ scope: KeyScope, doing: String) throws -> Principal {
        let principal = try authenticated(doing: doing)
        guard !principal.isBrowser else {
            throw Fault(.forbidden, doing: doing, "a browser key may only send events")
        }
        return try principal.having(scope, doing: doing)
    }

    /// The caller, who must be allowed to send events, be it from a page.
    func requireSender(doing: String) throws -> Principal {
        try authenticated(doing: doing).having(.eventsWrite, doing: doing)
    }
}

extension Principal {
    fileprivate func having(_ scope: KeyScope, doing: String) throws(Fault) -> Principal {
        guard role != nil || scopes.contains(scope) else {
            throw Fault(.forbidden, doing: doing, "the API key lacks the scope '\(scope.rawValue)'")
        }
        return self
    }
}

extension Projection {
    /// The sites whose pages may use a browser key.
    func origins(of key: Key) -> [String] { key.origins.isEmpty ? settings.origins ?? [] : key.origins }

    /// - Throws: `Fault.forbidden` while the brand is suspended or deleted, with the reason.
    func requireOpen(doing: String) throws(Fault) {
        switch status {
        case "suspended":
            let reason = statusReason.map { ": \($0)" } ?? ""
            throw Fault(.forbidden, doing: doing, "the brand is suspended\(reason)")
        case "deleted":
            throw Fault(.forbidden, doing: doing, "the brand was deleted")
        default: return
        }
    }
}
