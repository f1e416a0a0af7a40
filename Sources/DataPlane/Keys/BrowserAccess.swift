import HTTPTypes
import Hummingbird
import Kernel
import Web

/// What browser keys may do: send events from the pages of their sites, and read nothing.
///
/// A browser asks beforehand, without the key, whether a page may send (the preflight of the Fetch standard):
/// the answer is yes to the sites of every browser key that works. The request itself is then held to its own
/// key's sites, since whoever is no browser asks nothing beforehand.
struct BrowserAccess: Sendable {
    /// For how long a browser may remember the answer.
    static let maximumAgeSeconds = 600
    /// Where events are taken in.
    static let paths = ["/api/events", "/api/events/batch"] + SegmentRoutes.paths
    /// The query parameter that may carry a browser key: a beacon has no headers of its own.
    static let parameter = "key"

    private static let doing = "use the browser key"

    let brand: BrandFollower
    let clock: any WallClock

    /// Answers preflights. To be added beside authentication, since they carry no key.
    func add(to router: WebRouter) {
        for path in ["/api/events", "/api/events/batch"] + SegmentRoutes.batchPaths + ["/v1/:call"] {
            router.on(RouterPath(String(path.dropFirst())), method: .options) { request, context in
                guard BrowserAccess.paths.contains(request.uri.path) else {
                    throw Fault(.notFound, doing: "let the page send events", "nothing is sent to this path")
                }
                return try await preflight(request, context)
            }
        }
    }

    private func preflight(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "let the page send events"
        context.answerHeaders.set(.vary, "Origin")
        guard let origin = request.headers[.origin] else {
            throw Fault(.forbidden, doing: doing, "there is no Origin, which a browser sends")
        }
        var isListed = isListed(origin, in: try brand.projection())
        // A key that was made a moment ago works at once.
        if !isListed { isListed = self.isListed(origin, in: try await brand.freshProjection()) }
        guard isListed else {
            throw Fault(
                .forbidden, doing: doing, "no browser key of the brand works on the pages of its Origin")
        }
        allow(origin, context)
        var response = WebResponse.empty()
        response.headers[.accessControlAllowMethods] = "POST"
        response.headers[.accessControlAllowHeaders] =
            "AnonymousId, Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Request-Id"
        response.headers[.accessControlMaxAge] = "\(BrowserAccess.maximumAgeSeconds)"
        return response
    }

    private func isListed(_ origin: String, in projection: Projection) -> Bool {
        let now = clock.now()
        return projection.keys.values.contains { key in
            key.isBrowser && key.works(at: now) && projection.origins(of: key).contains(origin)
        }
    }

    /// Holds a request with a browser key to what such a key may do. From here on the page may read the
    /// answer, whatever it is.
    ///
    /// - Throws: `Fault.forbidden`.
    func admit(
        _ request: Request, _ context: WebContext, _ key: Projection.Key, of projection: Projection
    ) throws(Fault) {
        context.answerHeaders.set(.vary, "Origin")
        guard let origin = request.headers[.origin] else {
            throw Fault(
                .forbidden, doing: BrowserAccess.doing,
                "it works only in a browser, which sends an Origin; elsewhere use a live or a test key")
        }
        guard projection.origins(of: key).contains(origin) else {
            throw Fault(
                .forbidden, doing: BrowserAccess.doing, "it is not for the pages of this Origin")
        }
        allow(origin, context)
        guard request.method == .post, BrowserAccess.paths.contains(request.uri.path) else {
            throw Fault(.forbidden, doing: BrowserAccess.doing, "it may only send events")
        }
    }

    private func allow(_ origin: String, _ context: WebContext) {
        context.answerHeaders.set(.accessControlAllowOrigin, origin)
        context.answerHeaders.set(
            .accessControlExposeHeaders, "RateLimit, RateLimit-Policy, Retry-After, X-Request-Id")
    }

    /// The browser key in the query, where there is one and no other credential.
    static func credential(in request: Request) -> String? {
        guard let key = request.query(parameter), key.hasPrefix("ci_pub_") else { return nil }
        return key
    }
}
