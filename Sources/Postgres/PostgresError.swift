import Kernel

/// What the server, or the way to it, said instead of a result.
///
/// Its description is fit for a log: `detail`, and the message of a data exception, may quote a customer's
/// values, so only the properties give those out.
public struct PostgresError: Error, Sendable, Equatable {
    /// The five characters of SQLSTATE (PostgreSQL manual, appendix A). What fails on this side uses the
    /// same codes, so there is one way to ask.
    public let sqlState: String
    public let message: String
    /// May hold values of the row that was refused.
    public let detail: String?
    public let hint: String?
    public let constraint: String?
    public let table: String?
    public let column: String?

    public init(
        sqlState: String, message: String, detail: String? = nil, hint: String? = nil,
        constraint: String? = nil, place: (table: String?, column: String?) = (nil, nil)
    ) {
        self.sqlState = sqlState
        self.message = message
        self.detail = detail
        self.hint = hint
        self.constraint = constraint
        table = place.table
        column = place.column
    }

    /// The connection is gone or was never made; whether the statement took effect is not known.
    public var isConnectionFailure: Bool {
        let ends = ["57P01", "57P02", "57P03", "57P05", "25P03"]
        let protocolViolation = "08P01"
        return sqlState.hasPrefix("08") && sqlState != protocolViolation || ends.contains(sqlState)
    }

    /// The values were refused (class 22) or break a constraint (class 23): sending them again cannot help.
    public var isDataError: Bool { sqlState.hasPrefix("22") || sqlState.hasPrefix("23") }

    /// A duplicate of something that must be unique.
    public var isUniqueViolation: Bool { sqlState == "23505" }

    /// The transaction lost a race (serialization failure or deadlock): running it again can help.
    public var isRetriable: Bool { sqlState == "40001" || sqlState == "40P01" }

    /// The session writes under a leader's term that is over.
    public var isSuperseded: Bool { sqlState == "CI001" }

    /// A role, a schema or a table that was named is not there.
    public var isUndefined: Bool {
        ["42P01", "3F000", "42704"].contains(sqlState)
            || (sqlState == "22023" && message.hasPrefix("role "))
    }

    /// The statement was cancelled by its caller or by a time limit.
    public var isCancellation: Bool { sqlState == "57014" }
}

extension PostgresError: CustomStringConvertible {
    /// One line without any parameter's value: `23505: duplicate key … (constraint user_email_key)`.
    public var description: String {
        var line = "\(sqlState): \(sqlState.hasPrefix("22") ? "a value was refused" : message)"
        if let constraint { line += " (constraint \(constraint))" }
        if let column { line += " (column \(column))" }
        return line
    }
}

extension PostgresError: CustomReflectable {
    /// Shows what `description` shows, so that a dump gives away no more.
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}

extension PostgresError {
    static func lost(_ message: String) -> PostgresError {
        PostgresError(sqlState: "08006", message: message)
    }
    static func misuse(_ message: String) -> PostgresError {
        PostgresError(sqlState: "55000", message: message)
    }

    /// This error as the fault a room throws, with a detail that is safe to show.
    public func fault(doing: String) -> Fault {
        let (code, detail): (Fault.Code, String) =
            if isConnectionFailure || sqlState.hasPrefix("53") {
                (.unavailable, "the database is not available")
            } else if isSuperseded {
                (.unavailable, "this daemon does not lead any more")
            } else if isRetriable || isCancellation || sqlState == "55P03" {
                (.unavailable, "the database was too busy to finish in time")
            } else if isUniqueViolation || sqlState == "23P01" {
                (.conflict, "it exists already")
            } else if isDataError {
                (.invalid, "the database refused a value")
            } else {
                (.internal, "the database refused the statement")
            }
        return Fault(code, doing: doing, detail, cause: self)
    }
}

extension Fault {
    /// `error` as a fault: itself if it is one, mapped by its SQLSTATE if PostgreSQL sent it, else internal.
    public static func database(_ error: any Error, doing: String) -> Fault {
        if let error = error as? PostgresError { return error.fault(doing: doing) }
        return .wrapping(error, doing: doing)
    }
}
