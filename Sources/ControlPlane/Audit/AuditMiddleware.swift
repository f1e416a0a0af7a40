import Contract
import HTTPTypes
import Hummingbird
import Kernel
import NIOCore
import Web

/// Records every request that may change something: before it is handled that it has begun, and afterwards
/// what was answered. What cannot be recorded is refused.
///
/// It stands behind authentication, which records by itself whom it refuses. A path that is no route and a
/// method that a path does not answer change nothing, and are not recorded.
struct AuditMiddleware: RouterMiddleware {
    let audit: Audit
    let authentication: Authentication
    /// What turns an error into the answer, so that both say the same.
    let faults: FaultMiddleware

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        guard AuditedRequest.isChange(request) else { return try await next(request, context) }
        let begun = try await audit.begin(
            AuditedRequest(request, context, isLocal: authentication.isLocal))
        let note = AuditNote()
        do {
            let response = try await AuditNote.$current.withValue(note) { try await next(request, context) }
            await audit.end(
                begun, status: response.status.code, note: note.content, operation: response.operation)
            return response
        } catch {
            let fault = faults.fault(from: error, doing: "\(request.method) \(request.uri.path)")
            await audit.end(begun, status: fault.code.status.code, note: note.content, fault: fault)
            throw error
        }
    }
}

/// What the audit log keeps of a request: nothing of its body, its credentials or its query, apart from
/// whether only a plan is asked for.
struct AuditedRequest: Sendable {
    let actor: String
    let origin: String
    let action: String
    let subject: String?
    let operation: OperationID?
    let requestID: String

    init(_ request: Request, _ context: WebContext, isLocal: Bool) {
        actor = context.principal.map { "\($0)" } ?? AuditRow.nobody
        origin = isLocal ? "operator socket" : request.clientAddress ?? "unknown"
        let plan = request.query("plan") == "true" ? "?plan=true" : ""
        action = "\(request.method) \(AuditText.path(request.uri.path))\(plan)"
        subject = context.parameters.get("slug").flatMap { try? Slug($0) }?.text
        operation =
            request.uri.path.hasPrefix("/api/admin/operations/")
            ? context.parameters.get("id").flatMap { OperationID($0) } : nil
        requestID = context.requestID
    }

    /// Whether the request may change something, by its method.
    static func isChange(_ request: Request) -> Bool {
        [.post, .put, .patch, .delete].contains(request.method)
    }
}

extension Request {
    /// Where the client is, as the edge saw it: the last hop of `X-Forwarded-For`, which the edge writes and
    /// only the edge can send through its socket. Nil where there is none, or it is no address.
    var clientAddress: String? {
        guard let name = HTTPField.Name("X-Forwarded-For"), let hops = headers[name],
            let last = hops.split(separator: ",").last
        else { return nil }
        let text = last.trimmingPrefix(while: \.isWhitespace)
        return try? SocketAddress(ipAddress: String(text), port: 0).ipAddress
    }
}

extension Response {
    /// The operation that the answer tells to follow.
    fileprivate var operation: OperationID? {
        let path = "/api/admin/operations/"
        guard let location = headers[.location], location.hasPrefix(path) else { return nil }
        return OperationID(String(location.dropFirst(path.count)))
    }
}
