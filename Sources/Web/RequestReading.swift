import Contract
import Foundation
import HTTPTypes
import Hummingbird
import Kernel
import NIOCore
import NIOFoundationCompat

/// Limits of what a request may bring, apart from events and files, which have their own.
public enum RequestLimits {
    /// Bytes of a JSON body that is decoded.
    public static let bodyBytes = 256 * 1024
    /// Items on one page of a list, and how many when nothing is asked for.
    public static let pageItems = 200
    public static let defaultPageItems = 50
    /// Bytes of an opaque cursor.
    public static let cursorBytes = 512
    /// Bytes of a body that is read before the answer, also when the answer does not depend on it.
    static let unreadBodyBytes = 64 * 1024
}

extension Request {
    /// The body, whole.
    ///
    /// - Throws: `Fault.tooLarge` when it has more than `limit` bytes.
    public func wholeBody(upTo limit: Int, doing: String) async throws -> ByteBuffer {
        do {
            return try await body.collect(upTo: limit)
        } catch is NIOTooManyBytesError {
            throw Fault(.tooLarge, doing: doing, "the body has more than \(limit) bytes")
        }
    }

    /// The body, whole, as it was before it was made smaller: by `Content-Encoding: gzip`, or not at all.
    ///
    /// - Throws: `Fault.tooLarge` when it has, or had before, more than `limit` bytes,
    ///   `Fault.unsupportedMediaType` for another encoding.
    public func decodedBody(upTo limit: Int, doing: String) async throws -> [UInt8] {
        let bytes = Array(try await wholeBody(upTo: limit, doing: doing).readableBytesView)
        let encodings = headers[values: .contentEncoding].joined(separator: ",").lowercased()
            .split(whereSeparator: { $0 == "," || $0 == " " }).filter { $0 != "identity" }
        guard let encoding = encodings.first else { return bytes }
        guard encodings.count == 1, encoding == "gzip" || encoding == "x-gzip" else {
            throw Fault(
                .unsupportedMediaType, doing: doing, "a body is sent as it is, or as gzip",
                field: "Content-Encoding")
        }
        do {
            return try Gzip.inflate(bytes, upTo: limit)
        } catch .tooLarge {
            throw Fault(.tooLarge, doing: doing, "the body has more than \(limit) bytes when it is unpacked")
        } catch .malformed {
            throw Fault(.invalid, doing: doing, "the body is not whole gzip", field: "Content-Encoding")
        }
    }

    /// The body as JSON of one shape.
    ///
    /// - Throws: a fault that names the field that is wrong and what was expected there.
    public func decode<Body: JSONBody>(_: Body.Type, doing: String) async throws -> Body {
        let body = try await wholeBody(upTo: RequestLimits.bodyBytes, doing: doing)
        guard body.readableBytes > 0 else {
            throw Fault(.invalid, doing: doing, "the body is empty; a JSON object was expected")
        }
        do {
            let decoder = JSONDecoder()
            let named = try decoder.decode(FieldNames.self, from: Data(buffer: body)).names
            if let unknown = named.filter({ !Body.fields.contains($0) }).min() {
                throw Fault(
                    .invalid, doing: doing,
                    "there is no such field; the fields are \(Body.fields.joined(separator: ", "))",
                    field: unknown)
            }
            return try decoder.decode(Body.self, from: Data(buffer: body))
        } catch let error as DecodingError {
            throw Fault(decoding: error, doing: doing)
        }
    }

    /// The `limit` of a list, 1 to `RequestLimits.pageItems`.
    public func pageLimit(doing: String) throws -> Int {
        guard let text = uri.queryParameters["limit"] else { return RequestLimits.defaultPageItems }
        guard let limit = Int(text), (1...RequestLimits.pageItems).contains(limit) else {
            throw Fault(
                .invalid, doing: doing, "a page has 1 to \(RequestLimits.pageItems) items", field: "limit")
        }
        return limit
    }

    /// A query parameter's value, nil when it is absent or empty.
    public func query(_ name: String) -> String? {
        guard let value = uri.queryParameters[name[...]], !value.isEmpty else { return nil }
        return String(value)
    }

    /// The key or token that the caller sent as `Authorization: Bearer …` or `X-API-Key`.
    public var bearerCredential: String? {
        if let authorization = headers[.authorization] {
            let parts = authorization.split(separator: " ", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "bearer" { return String(parts[1]) }
        }
        return headers[.apiKey]
    }
}

extension Request {
    /// The user name of `Authorization: Basic …` (RFC 7617), as which SDKs send an API key.
    public var basicUser: String? {
        guard let authorization = headers[.authorization] else { return nil }
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "basic",
            let data = Data(base64Encoded: parts[1].trimmingCharacters(in: .whitespaces)),
            let text = String(data: data, encoding: .utf8)
        else { return nil }
        return text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).first.map(
            String.init)
    }
}

extension Fault {
    package init(decoding error: DecodingError, doing: String) {
        func path(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String? {
            let keys = context.codingPath + (last.map { [$0] } ?? [])
            let text = keys.reduce(into: "") { text, key in
                if let index = key.intValue {
                    text += "[\(index)]"
                } else {
                    text += text.isEmpty ? key.stringValue : ".\(key.stringValue)"
                }
            }
            return text.isEmpty ? nil : text
        }
        switch error {
        case .keyNotFound(let key, let context):
            self.init(.invalid, doing: doing, "a value is missing", field: path(context, key))
        case .typeMismatch(let type, let context):
            self.init(.invalid, doing: doing, "expected \(Fault.words(for: type))", field: path(context))
        case .valueNotFound(let type, let context):
            self.init(
                .invalid, doing: doing, "expected \(Fault.words(for: type)), found null", field: path(context)
            )
        case .dataCorrupted(let context):
            let place = path(context)
            self.init(
                .invalid, doing: doing,
                place == nil ? "the body is not valid JSON" : context.debugDescription,
                field: place)
        @unknown default:
            self.init(.invalid, doing: doing, "the body has not the expected shape")
        }
    }

    private static func words(for type: any Any.Type) -> String {
        switch type {
        case is String.Type: "a string"
        case is Bool.Type: "true or false"
        case is any BinaryInteger.Type: "a whole number"
        case is Double.Type: "a number"
        default: "\(type)".hasPrefix("Array") ? "an array" : "an object"
        }
    }
}

/// The names of an object's fields, whatever they are.
private struct FieldNames: Decodable {
    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue _: Int) { nil }
    }

    let names: [String]

    init(from decoder: any Decoder) throws {
        names = try decoder.container(keyedBy: Name.self).allKeys.map(\.stringValue)
    }
}
