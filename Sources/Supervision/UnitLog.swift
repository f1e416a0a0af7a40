import Contract
import Kernel

/// Where reading a unit's log begins.
public enum LogStart: Sendable, Equatable {
    /// At the last so many lines.
    case last(Int)
    /// At the first line that is no older.
    case since(Timestamp)
    /// After the line with this cursor; where that one is gone, at the oldest that is still kept behind it.
    case after(String)
}

/// One reader's place in the log of a unit. Dropping it ends the reading.
///
/// It is asked for lines, nothing is pushed: a reader that is slow costs nothing but its place, and misses
/// only what the log itself has thrown away meanwhile. One caller at a time.
public protocol UnitLogReader: Sendable {
    /// At most `count` next lines, the oldest first. While there are none it waits, but no longer than
    /// `limit`, and then returns none; so does a cancelled caller.
    ///
    /// - Throws: `Fault.invalid` when the cursor to begin at is none.
    func next(_ count: Int, within limit: Duration) async throws -> [LogEntry]
}
