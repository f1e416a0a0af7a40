import Contract
import Foundation
import Kernel

/// Gives the bearer token for requests to one endpoint.
protocol Credentials: Sendable {
    /// A token that lasts for a request sent now; nil where none is needed.
    func token() async throws -> String?
    /// Another token than `refused`, which the service did not take; nil when there is no other.
    func token(insteadOf refused: String) async throws -> String?
}

/// None: the permissions of a socket decide.
struct NoCredentials: Credentials {
    func token() async throws -> String? { nil }
    func token(insteadOf refused: String) async throws -> String? { nil }
}

/// The tokens of the saved session, refreshed when they end and saved again.
actor SessionCredentials: Credentials {
    private let store: SessionStore
    private let endpoint: Endpoint
    private let clock: any WallClock
    private var session: Session

    /// The credentials of `session`, which are refreshed at `endpoint`.
    init(session: Session, store: SessionStore, endpoint: Endpoint, clock: any WallClock) {
        self.session = session
        self.store = store
        self.endpoint = endpoint
        self.clock = clock
    }

    func token() async throws -> String? {
        if !session.isFresh(at: clock.now()) { try await refresh() }
        return session.accessToken
    }

    func token(insteadOf refused: String) async throws -> String? {
        if session.accessToken == refused { try await refresh() }
        return session.accessToken
    }

    /// Takes the tokens that another command saved meanwhile, or asks for new ones.
    private func refresh() async throws {
        let known = session
        session = try await store.exclusively {
            if let saved = try store.load(), saved.url == known.url, saved.accessToken != known.accessToken,
                saved.isFresh(at: clock.now())
            {
                return saved
            }
            let current = try store.load().flatMap { $0.url == known.url ? $0 : nil } ?? known
            let next = try await refreshed(current)
            try store.save(next)
            return next
        }
    }

    private func refreshed(_ old: Session) async throws -> Session {
        let now = clock.now()
        do {
            let tokens = try await endpoint.send(
                try Request(
                    .post, "/api/auth/refresh", json: RefreshRequest(refreshToken: old.refreshToken),
                    doing: "refresh the session")
            ).decode(TokenPair.self)
            return Session(url: old.url, email: old.email, tokens: tokens, now: now)
        } catch let fault as Fault where fault.code == .unauthenticated {
            throw Fault(
                .unauthenticated, doing: "use the saved session",
                "it has ended; log in again with: constintel login --url \(old.url)")
        }
    }
}

/// A token for one brand's instance, asked of the control plane again whenever it ends.
actor BrandCredentials: Credentials {
    private let control: Endpoint
    private let brand: Slug
    private let clock: any WallClock
    private var held: (token: BrandToken, since: Timestamp)

    /// Credentials for `brand` that begin with `token`, given at `since` by `control`.
    init(_ token: BrandToken, since: Timestamp, brand: Slug, control: Endpoint, clock: any WallClock) {
        held = (token, since)
        self.brand = brand
        self.control = control
        self.clock = clock
    }

    func token() async throws -> String? {
        let age = clock.now() - held.since
        if age > .seconds(held.token.expiresIn) - .seconds(30) { try await renew() }
        return held.token.accessToken
    }

    func token(insteadOf refused: String) async throws -> String? {
        if held.token.accessToken == refused { try await renew() }
        return held.token.accessToken
    }

    private func renew() async throws {
        let since = clock.now()
        held = (try await Self.ask(control, for: brand), since)
    }

    /// A token for `brand`, and where its instance is.
    static func ask(_ control: Endpoint, for brand: Slug) async throws -> BrandToken {
        try await control.send(
            try Request(
                .post, "/api/auth/brand-token", json: BrandTokenRequest(brand: brand.text),
                doing: "get a token for the brand '\(brand)'")
        ).decode(BrandToken.self)
    }
}
