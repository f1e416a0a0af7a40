import Foundation
import HTTPTypes
import Hummingbird
import Kernel
import NIOCore
import Sealing
import Web

extension Request {
    /// The request's `Idempotency-Key` of this principal, or nil when it has none. Reads the whole body,
    /// which can still be decoded afterwards. Another query is another request, as another body is.
    ///
    /// - Throws: `Fault.invalid` for a key that is empty, longer than 255 bytes or not printable ASCII.
    mutating func idempotencyKey(_ principal: Principal, doing: String) async throws -> IdempotencyKey? {
        guard let text = headers[.idempotencyKey] else { return nil }
        guard (1...255).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Fault(
                .invalid, doing: doing, "expected 1 to 255 printable characters", field: "Idempotency-Key")
        }
        let content = try await wholeBody(upTo: RequestLimits.bodyBytes, doing: doing)
        body = RequestBody(buffer: content)
        var hash = SHA256()
        hash.update("\(method) \(uri.path)?\(uri.query ?? "")\n".utf8)
        hash.update(canonical(content))
        return IdempotencyKey(principal: "\(principal)", text: text, requestHash: hash.finish())
    }
}

/// A JSON body with its keys in order, since a client that encodes again may write them in another; any other
/// body as it is.
private func canonical(_ body: ByteBuffer) -> [UInt8] {
    let data = Data(body.readableBytesView)
    guard let value = try? JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed),
        let sorted = try? JSONSerialization.data(
            withJSONObject: value, options: [.sortedKeys, .fragmentsAllowed])
    else { return Array(data) }
    return Array(sorted)
}
