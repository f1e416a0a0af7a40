/// What could not be done, said once, in words an operator can act on.
///
/// Rooms throw small enums inside and a `Fault` at their boundary. `Web` turns a fault into an HTTP answer
/// and the command line into an exit status; nobody else maps errors.
public struct Fault: Error, Sendable {
    /// Whose fault it is and what the caller can do about it.
    public enum Code: String, Sendable, Codable, CaseIterable {
        /// The input is wrong; sending it again cannot help.
        case invalid
        /// No credentials, or credentials that do not verify.
        case unauthenticated
        /// The credentials are good, and do not allow this.
        case forbidden
        /// The thing named does not exist.
        case notFound = "not-found"
        /// The method is not one that this path answers.
        case methodNotAllowed = "method-not-allowed"
        /// It clashes with what is there already.
        case conflict
        /// It existed and is no more.
        case gone
        /// The body, batch or page is larger than its limit.
        case tooLarge = "too-large"
        /// The body's media type is not one that is understood here.
        case unsupportedMediaType = "unsupported-media-type"
        /// A rate or a quota is used up; later it may work.
        case limited
        /// Something this depends on is away; later it may work.
        case unavailable
        /// A programming error or a broken invariant.
        case `internal`
    }

    public let code: Code
    /// Finishes the sentence "could not …".
    public let doing: String
    /// What is wrong and what was expected; safe to show to the caller.
    public let detail: String
    /// The input field that is wrong, as a path such as `identifiers.email` or `events[3].type`.
    public let field: String?
    /// How long to wait before trying again, where that can help.
    public let retryAfter: Duration?
    /// What was underneath; logged, never shown to a caller.
    public let cause: (any Error)?

    public init(
        _ code: Code, doing: String, _ detail: String,
        field: String? = nil, retryAfter: Duration? = nil, cause: (any Error)? = nil
    ) {
        self.code = code
        self.doing = doing
        self.detail = detail
        self.field = field
        self.retryAfter = retryAfter
        self.cause = cause
    }

    /// The same fault about a field that lies under `prefix`: `at("events[3]")` makes `type`
    /// `events[3].type`.
    public func at(_ prefix: String) -> Fault {
        let path = field.map { $0.hasPrefix("[") ? prefix + $0 : "\(prefix).\($0)" } ?? prefix
        return Fault(code, doing: doing, detail, field: path, retryAfter: retryAfter, cause: cause)
    }

    /// `error` as a fault: itself if it is one, otherwise an internal one with `error` as its cause.
    public static func wrapping(_ error: any Error, doing: String) -> Fault {
        if let fault = error as? Fault { return fault }
        return Fault(.internal, doing: doing, "an unexpected error occurred", cause: error)
    }
}

extension Fault: CustomStringConvertible {
    /// One line for a log or a terminal: `could not read the file: …`.
    public var description: String {
        var line = "could not \(doing): \(detail)"
        if let field { line += " (\(field))" }
        if let cause { line += ": \(cause)" }
        return line
    }
}
