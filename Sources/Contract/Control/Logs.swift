import Kernel

/// One line of an instance's log: an item of `GET /api/admin/instances/:slug/logs`, and the data of each
/// `log` event of its stream.
public struct LogEntry: Codable, Sendable, Equatable {
    /// Who has written a line.
    public enum Source: String, Codable, Sendable, CaseIterable {
        /// The instance.
        case service
        /// What starts and stops it: systemd, or the daemon itself.
        case supervisor
    }

    /// How much a line matters, as in syslog(3), the gravest first.
    public enum Level: String, Codable, Sendable, CaseIterable {
        case emergency, alert, critical, error, warning, notice, info, debug
    }

    /// Stands for the line's place: reading goes on after it.
    public var cursor: String
    /// When it was written.
    public var at: Timestamp
    public var level: Level
    public var source: Source
    /// The process that wrote it, where that is known.
    public var pid: Int32?
    /// The text, and behind it the line's fields as `name=value`.
    public var message: String

    public init(
        cursor: String, at: Timestamp, level: Level, source: Source, pid: Int32? = nil, message: String
    ) {
        self.cursor = cursor
        self.at = at
        self.level = level
        self.source = source
        self.pid = pid
        self.message = message
    }
}

/// The last event of a log's stream, `end`: why the service sends no more, which is no fault of the reader's.
public struct LogEnd: Codable, Sendable, Equatable {
    public var reason: String

    public init(reason: String) { self.reason = reason }
}
