import HTTPTypes
import Hummingbird
import NIOCore
import Sealing
import Web

/// `/constintel-tracker.js`: the script with which a shop's pages send what visitors do, for everybody.
///
/// A page has it by a tag, which asks no leave of another origin. That it is asked for is activity: a page
/// that is looked at sends events next.
struct TrackerRoute: Sendable {
    /// For how long a browser may use what it has before it asks again.
    static let maximumAgeSeconds = 3600

    private static let script = ByteBuffer(bytes: PackageResources.constintel_tracker_js)
    /// Of the bytes, so that a release with the same script is no reason to load it again.
    private static let tag =
        "\"\(Hex.encode(SHA256.hash(PackageResources.constintel_tracker_js).prefix(16)))\""

    func add(to router: WebRouter) {
        router.get("constintel-tracker.js") { request, _ in answer(request) }
    }

    private func answer(_ request: Request) -> Response {
        var headers: HTTPFields = [
            .cacheControl: "public, max-age=\(TrackerRoute.maximumAgeSeconds)", .eTag: TrackerRoute.tag,
        ]
        guard !isKnown(to: request) else { return Response(status: .notModified, headers: headers) }
        headers[.contentType] = "text/javascript; charset=utf-8"
        headers[.xContentTypeOptions] = "nosniff"
        // Pages that isolate themselves (Cross-Origin-Embedder-Policy) load nothing without it.
        headers[.crossOriginResourcePolicy] = "cross-origin"
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: TrackerRoute.script))
    }

    /// Whether the caller has this very script, by `If-None-Match`, which the edge makes weak where it
    /// compresses (RFC 9110, section 13.1.2).
    private func isKnown(to request: Request) -> Bool {
        request.headers[values: .ifNoneMatch].joined(separator: ",").split(separator: ",").contains { given in
            let tag = given.drop { $0 == " " }.prefix { $0 != " " }
            return tag == "*" || tag == TrackerRoute.tag || tag == "W/\(TrackerRoute.tag)"
        }
    }
}
