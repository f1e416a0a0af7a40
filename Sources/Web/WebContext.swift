import Hummingbird
import Kernel

/// What travels with one request.
public struct WebContext: RequestContext {
    public var coreContext: CoreRequestContextStorage
    /// The caller's `X-Request-Id` where it sent a usable one, otherwise minted; on every answer and log
    /// line.
    public var requestID: String
    /// What the answer's head has beside what its route gives it.
    public let answerHeaders = AnswerHeaders()
    /// Who is asking; nil until a route's authentication has run.
    public var principal: Principal?

    public init(source: Source) {
        coreContext = .init(source: source)
        requestID = ""
    }

    /// The principal, or `Fault.unauthenticated` where no authentication has run.
    public func authenticated(doing: String) throws -> Principal {
        guard let principal else {
            throw Fault(.unauthenticated, doing: doing, "send credentials in the Authorization header")
        }
        return principal
    }

    /// A parameter of the route's path.
    ///
    /// - Throws: `Fault.internal` when the route has no such parameter.
    public func parameter(_ name: String) throws -> String {
        guard let value = parameters.get(name) else {
            throw Fault(.internal, doing: "read the path", "the route has no parameter '\(name)'")
        }
        return value
    }
}

/// The router that both planes add their routes to.
public typealias WebRouter = Router<WebContext>
