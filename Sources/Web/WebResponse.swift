import Contract
import HTTPTypes
import Foundation
import Hummingbird
import Kernel
import NIOCore

/// Makes the answers that both planes give.
public enum WebResponse {
    /// `value` as JSON.
    public static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return json(text: ByteBuffer(data: try encoder.encode(value)), status: status)
    }

    /// JSON that is written already, such as a document that PostgreSQL built.
    public static func json(text: ByteBuffer, status: HTTPResponse.Status = .ok) -> Response {
        Response(status: status, headers: [.contentType: "application/json"], body: .init(byteBuffer: text))
    }

    /// A YAML document (RFC 9512), such as a plane's `openapi.yaml`.
    public static func yaml(_ bytes: [UInt8]) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/yaml"],
            body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    /// An answer without a body.
    public static func empty(_ status: HTTPResponse.Status = .noContent) -> Response {
        Response(status: status)
    }

    /// `fault` as `application/problem+json`; what lies under it is not shown.
    ///
    /// - Parameter withMessage: whether the detail is there as `message` too, where some clients look for it.
    public static func problem(
        _ fault: Fault, requestID: String?, withMessage: Bool = false
    ) -> Response {
        let status = fault.code.status
        var problem = Problem(
            type: "https://constintel.dev/problems/\(fault.code.rawValue)",
            title: status.reasonPhrase, status: status.code,
            detail: "could not \(fault.doing): \(fault.detail)", code: fault.code.rawValue,
            field: fault.field, requestId: requestID)
        if withMessage { problem.message = problem.detail }
        var headers: HTTPFields = [.contentType: "application/problem+json"]
        if let wait = fault.retryAfter {
            headers[.retryAfter] = String(max(1, Int(wait.inSeconds.rounded(.up))))
        }
        if fault.code == .unauthenticated { headers[.wwwAuthenticate] = "Bearer" }
        let body = (try? JSONEncoder.problems.encode(problem)) ?? Data("{}".utf8)
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(data: body)))
    }
}

extension Fault.Code {
    /// The HTTP status of an answer that is this fault.
    public var status: HTTPResponse.Status {
        switch self {
        case .invalid: .badRequest
        case .unauthenticated: .unauthorized
        case .forbidden: .forbidden
        case .notFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .conflict: .conflict
        case .gone: .gone
        case .tooLarge: .contentTooLarge
        case .unsupportedMediaType: .unsupportedMediaType
        case .limited: .tooManyRequests
        case .unavailable: .serviceUnavailable
        case .internal: .internalServerError
        }
    }
}

extension JSONEncoder {
    fileprivate static var problems: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }
}
