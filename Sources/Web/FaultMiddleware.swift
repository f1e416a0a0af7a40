import Contract
import HTTPTypes
import Hummingbird
import Kernel
import Logging
import NIOHTTP1

/// The outermost layer: names the request, turns whatever is thrown into problem+json, logs one line.
///
/// This is the only place where a fault becomes an HTTP status.
public struct FaultMiddleware: RouterMiddleware {
    /// Makes a fault of an error that another room knows, such as a lost connection; nil for others.
    public typealias Translation = @Sendable (_ error: any Error, _ doing: String) -> Fault?

    private let clock: any WallClock
    private let logger: Logger
    private let translate: Translation

    public init(
        clock: any WallClock = SystemWallClock(), logger: Logger,
        translating translate: @escaping Translation = { _, _ in nil }
    ) {
        self.clock = clock
        self.logger = logger
        self.translate = translate
    }

    public func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.requestID = requestID(of: request)
        context.logger = logger
        context.logger[metadataKey: "request"] = "\(context.requestID)"
        let start = clock.now()
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            response = answer(to: error, request: request, context: context)
        }
        // A client takes what comes behind such a head for the next answer.
        if request.method == .head { response = response.createHeadResponse() }
        response.headers[.requestID] = context.requestID
        context.answerHeaders.complete(&response.headers)
        context.logger.debug(
            "\(request.method) \(request.uri.path) \(response.status.code)",
            metadata: ["seconds": "\((clock.now() - start).inSeconds)"])
        return response
    }

    private func answer(to error: any Error, request: Request, context: WebContext) -> Response {
        let fault = fault(from: error, doing: "\(request.method) \(request.uri.path)")
        if fault.code == .internal || fault.code == .unavailable {
            context.logger.log(level: fault.code == .internal ? .error : .warning, "\(fault)")
        }
        return WebResponse.problem(fault, requestID: context.requestID)
    }

    /// The fault that `error` is answered as.
    public func fault(from error: any Error, doing: String) -> Fault {
        switch error {
        case let fault as Fault:
            fault
        case let error as any HTTPResponseError where error.status == .notFound:
            Fault(.notFound, doing: doing, "there is nothing at this path")
        case let error as any HTTPResponseError where error.status == .methodNotAllowed:
            Fault(.methodNotAllowed, doing: doing, "this path does not answer this method")
        case let error as any HTTPResponseError where error.status == .contentTooLarge:
            Fault(.tooLarge, doing: doing, "the body is larger than is accepted here")
        case let error as any HTTPResponseError where error.status.kind == .clientError:
            Fault(.invalid, doing: doing, "the request is not well formed", cause: error)
        case is HTTPParserError:
            Fault(.invalid, doing: doing, "the request is not well-formed HTTP", cause: error)
        default:
            translate(error, doing) ?? Fault.wrapping(error, doing: doing)
        }
    }

    private func requestID(of request: Request) -> String {
        if let sent = request.headers[.requestID], (1...64).contains(sent.utf8.count),
            sent.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") })
        {
            return sent
        }
        return UUIDv7(at: clock.now()).description
    }
}

extension HTTPField.Name {
    /// `X-Request-Id`.
    public static let requestID = HTTPField.Name("X-Request-Id")!
    /// `X-API-Key`.
    public static let apiKey = HTTPField.Name("X-API-Key")!
    /// `Idempotency-Key`.
    public static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
    /// `Prefer` (RFC 7240).
    public static let prefer = HTTPField.Name("Prefer")!
}
