import Events
import Hummingbird
import Kernel
import NIOCore
import Web

/// The API key where SDKs of Segment and RudderStack put it: as the user name of Basic, or as `writeKey` in
/// the body.
///
/// analytics.js and the SDKs of phones send no header, so that a page need not ask beforehand: their key is
/// found by reading the body, which on those paths is bounded before anybody is known.
enum WriteKey {
    /// Bytes of a body that is read to find the key in it: what Segment takes for a batch, and some more.
    static let bodyBytes = 512 * 1024

    /// The key, if the request has one in such a place and no other credential; the request, with its body.
    ///
    /// - Throws: when a body in which a key was looked for is too large, or not what its encoding says.
    static func find(in request: Request) async throws -> (Request, String?) {
        guard request.bearerCredential == nil else { return (request, nil) }
        if let user = request.basicUser {
            guard user.hasPrefix("ci_") else {
                throw Fault(
                    .unauthenticated, doing: Authentication.doing,
                    "the user name of Basic is an API key, and its password is empty")
            }
            return (request, user)
        }
        guard request.method == .post, SegmentRoutes.paths.contains(request.uri.path),
            BrowserAccess.credential(in: request) == nil
        else { return (request, nil) }
        var read = request
        read.body = RequestBody(
            buffer: try await request.wholeBody(upTo: bodyBytes, doing: Authentication.doing))
        let bytes = try await read.decodedBody(upTo: bodyBytes, doing: Authentication.doing)
        return (read, key(in: bytes))
    }

    private static func key(in bytes: [UInt8]) -> String? {
        guard let document = try? JSONText.checking(bytes) else { return nil }
        let key = document.members.first { $0.name == "writeKey" }?.value.string
        return key.flatMap { $0.hasPrefix("ci_") ? $0 : nil }
    }
}
