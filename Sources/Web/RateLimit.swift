import HTTPTypes
import Synchronization

/// One limit as an answer tells it, by the fields `RateLimit-Policy` and `RateLimit` of the IETF's draft
/// "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers-10).
public struct RateLimit: Sendable, Equatable {
    /// A word for the policy.
    public var name: String
    /// How much is allowed in a window of so many seconds.
    public var quota: Int
    public var windowSeconds: Int
    /// How much is left, and in how many seconds all of it is there again.
    public var remaining: Int
    public var resetSeconds: Int

    public init(name: String, quota: Int, windowSeconds: Int, remaining: Int, resetSeconds: Int) {
        self.name = name
        self.quota = quota
        self.windowSeconds = windowSeconds
        self.remaining = remaining
        self.resetSeconds = resetSeconds
    }

    fileprivate var policy: String { "\"\(name)\";q=\(quota);w=\(windowSeconds)" }
    fileprivate var state: String { "\"\(name)\";r=\(max(0, remaining));t=\(max(0, resetSeconds))" }
}

/// Header fields that an answer gets whatever it turns out to be, also when a fault is answered.
public final class AnswerHeaders: Sendable {
    private struct State {
        var limits: [RateLimit] = []
        var fields = HTTPFields()
    }

    private let state = Mutex(State())

    /// Tells of limits that hold for the request, after those that were told before.
    public func tell(_ more: [RateLimit]) {
        state.withLock { $0.limits += more }
    }

    /// Gives the answer a field, in place of an earlier one of that name.
    public func set(_ name: HTTPField.Name, _ value: String) {
        state.withLock { $0.fields[name] = value }
    }

    func complete(_ headers: inout HTTPFields) {
        let (limits, fields) = state.withLock { ($0.limits, $0.fields) }
        for field in fields { headers[field.name] = field.value }
        guard !limits.isEmpty else { return }
        headers[.rateLimitPolicy] = limits.map(\.policy).joined(separator: ", ")
        headers[.rateLimit] = limits.map(\.state).joined(separator: ", ")
    }
}

extension HTTPField.Name {
    /// `RateLimit-Policy`.
    public static let rateLimitPolicy = HTTPField.Name("RateLimit-Policy")!
    /// `RateLimit`.
    public static let rateLimit = HTTPField.Name("RateLimit")!
}
