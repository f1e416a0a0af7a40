import AsyncHTTPClient
import Foundation
import Kernel
import NIOCore
import NIOPosix

/// An error answer of a service, or of what stands before it.
struct Refusal {
    /// The parts of a problem+json that are used, each of which may be missing: the edge writes some itself.
    private struct Problem: Decodable {
        var title: String?
        var detail: String?
        var code: String?
        var field: String?
        var requestId: String?
        /// Of a `HealthView`, which a probe answers instead.
        var checks: [String: String]?

        var unready: String? {
            let failed = (checks ?? [:]).filter { $0.value != "ok" }.sorted { $0.key < $1.key }
            return failed.isEmpty
                ? nil : "not ready: " + failed.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        }
    }

    let status: Int
    let body: Data

    /// The refusal in the service's own words.
    func fault(doing: String) -> Fault {
        let problem = try? JSONDecoder().decode(Problem.self, from: body)
        let code = problem?.code.flatMap(Fault.Code.init(rawValue:)) ?? codeOfStatus
        var detail =
            problem?.detail ?? problem?.title ?? problem?.unready
            ?? "the service answered with the status \(status)"
        if status >= 500, let id = problem?.requestId { detail += " [request \(id)]" }
        return Fault(code, doing: doing, detail, field: problem?.field)
    }

    private var codeOfStatus: Fault.Code {
        switch status {
        case 401: .unauthenticated
        case 403: .forbidden
        case 404: .notFound
        case 405: .methodNotAllowed
        case 409: .conflict
        case 410: .gone
        case 413: .tooLarge
        case 415: .unsupportedMediaType
        case 429: .limited
        case 502, 503, 504: .unavailable
        case 500...: .internal
        default: .invalid
        }
    }
}

/// A request that got no answer.
struct TransportFailure {
    private let error: any Error
    private let address: ServiceAddress

    init(_ error: any Error, address: ServiceAddress) {
        self.error = error
        self.address = address
    }

    /// The failure as a fault that names the service; a file that could not be read stays its own fault.
    func fault(doing: String) -> Fault {
        if let fault = error as? Fault { return fault }
        if let error = error as? HTTPClientError, error == .bodyLengthMismatch {
            return Fault(.conflict, doing: doing, "the file became shorter while it was sent")
        }
        return Fault(.unavailable, doing: doing, "\(reason) at \(address)")
    }

    private var reason: String {
        switch error {
        case let error as IOError:
            return words(error)
        case let error as NIOConnectionError:
            let first = error.connectionErrors.first?.error as? IOError
            return first.map(words) ?? "the host '\(error.host)' could not be found or reached"
        case let error as HTTPClientError:
            return words(error)
        default:
            return "no service could be reached (\(error))"
        }
    }

    private func words(_ error: IOError) -> String {
        switch error.errnoCode {
        case ECONNREFUSED, ENOENT: "no service answers"
        case EACCES, EPERM: "you may not use the service"
        case ECONNRESET, EPIPE: "the service closed the connection before it answered"
        default: "the service could not be reached (\(String(cString: strerror(error.errnoCode))))"
        }
    }

    private func words(_ error: HTTPClientError) -> String {
        switch error {
        case .remoteConnectionClosed: "the service closed the connection before it answered"
        case .deadlineExceeded, .readTimeout, .writeTimeout: "the service did not answer in time"
        case .connectTimeout, .getConnectionFromPoolTimeout: "no service answers"
        default: "the service could not be reached (\(error.shortDescription))"
        }
    }
}
