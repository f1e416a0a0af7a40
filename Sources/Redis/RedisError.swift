import Kernel

/// Why a command has no answer, or a bad one.
public enum RedisError: Error, Sendable, Equatable {
    /// The server is not reached, or the connection was lost. Nobody knows whether a command that was in
    /// flight was carried out.
    case connection(String)
    /// The answer took longer than a command may; the connection is lost, and the command may yet be done.
    case timeout
    /// The server refuses the command, in its own words (`WRONGTYPE …`, `NOPERM …`).
    case reply(String)
    /// The answer does not have the shape that the command's answers have.
    case shape(String)
    /// Too many commands wait for answers already; this one was not sent.
    case limit(Int)
    /// A change of users holds until the server stops, but could not be written to its file.
    case accessNotSaved(String)

    /// Whether the connection, rather than the command, is at fault: trying again can help.
    public var isLoss: Bool {
        switch self {
        case .connection, .timeout: true
        case .reply, .shape, .limit, .accessNotSaved: false
        }
    }

    /// Whether the server or the way to it is in trouble, rather than the command wrong.
    public var isUnavailability: Bool {
        switch self {
        case .connection, .timeout, .limit: true
        case .reply(let text): RedisError.troubles.contains { text.hasPrefix($0 + " ") }
        case .shape, .accessNotSaved: false
        }
    }

    /// What the server answers while it is full, cannot write, is loading, or waits for others.
    private static let troubles = [
        "OOM", "MISCONF", "LOADING", "BUSY", "READONLY", "NOREPLICAS", "MASTERDOWN",
    ]

    /// This error at a room's boundary.
    public func fault(doing: String) -> Fault {
        guard isUnavailability else {
            return Fault(.internal, doing: doing, "an unexpected error occurred", cause: self)
        }
        return Fault(
            .unavailable, doing: doing, "something this depends on is away; try again",
            retryAfter: .seconds(1),
            cause: self)
    }
}

extension RedisError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .connection(let reason): "no connection to Redis: \(reason)"
        case .timeout: "Redis did not answer in time"
        case .reply(let text): "Redis refused: \(text)"
        case .shape(let expected): "Redis answered something else than \(expected)"
        case .limit(let count): "\(count) commands to Redis wait for answers already"
        case .accessNotSaved(let reason): "the change of Redis users is not saved: \(reason)"
        }
    }
}
