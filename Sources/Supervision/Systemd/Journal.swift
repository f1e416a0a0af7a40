import Kernel
import Reactor

/// One line of the journal.
public struct JournalEntry: Sendable, Equatable {
    /// What an entry without a priority counts as: `info`.
    static let usualPriority = 6

    /// Stands for the entry's place: reading can go on after it, also in another process.
    public let cursor: String
    /// When it was written.
    public let at: Timestamp
    /// As in syslog(3): 0 is an emergency, 7 a debug message.
    public let priority: Int
    /// The text, without its line's end.
    public let message: String
    /// Who wrote it; 1 is systemd.
    public let pid: Int32?
}

/// What units and systemd have written about units, read a little at a time on a reactor's thread.
///
/// Reading needs root or the group `systemd-journal`; others see nothing, without an error.
public actor Journal {
    /// The most entries that one call returns.
    public static let maximumEntries = 1000
    /// Entries that are read before others get their turn on the thread.
    static let batch = 64

    private let reactor: Reactor

    /// The reactor's thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

    /// The machine's journal. Opening it costs milliseconds of the thread: a reactor that serves requests is
    /// not the place.
    public init(on reactor: Reactor) { self.reactor = reactor }

    /// The last `count` entries about a unit such as `constintel-instance@acme.service`, the oldest first.
    public func last(_ count: Int, of unit: String) async throws -> [JournalEntry] {
        let handle = try JournalHandle(unit: unit)
        let wanted = min(max(0, count), Journal.maximumEntries)
        try handle.seek(beforeEnd: wanted)
        var entries: [JournalEntry] = []
        while entries.count < wanted, let entry = try handle.next() {
            entries.append(entry)
            if entries.count.isMultiple(of: Journal.batch) { await Task.yield() }
        }
        return entries
    }

    /// The entries about a unit as they are written: those after `cursor`, or else the last `count` and all
    /// that come. It ends when its task is cancelled.
    public nonisolated func follow(_ unit: String, last count: Int = 0, after cursor: String? = nil)
        -> JournalEntries
    {
        let wanted = min(max(0, count), Journal.maximumEntries)
        return JournalEntries(reactor: reactor, unit: unit, start: cursor.map { .after($0) } ?? .last(wanted))
    }

    /// A place among the entries about a unit.
    nonisolated func reader(of unit: String, from start: LogStart) -> JournalReader {
        JournalReader(JournalFollower(reactor, unit: unit, start: start))
    }
}

/// The entries of one unit, read as they are asked for: a slow reader holds nothing up and loses nothing but
/// what the journal itself has thrown away.
public struct JournalEntries: AsyncSequence, Sendable {
    /// One line of the journal.
    public typealias Element = JournalEntry

    /// Reads on; dropping it closes the journal.
    public final class AsyncIterator: AsyncIteratorProtocol {
        private let follower: JournalFollower

        fileprivate init(_ follower: JournalFollower) { self.follower = follower }

        deinit { follower.leave() }

        /// The next entry; nil when the task is cancelled.
        public func next() async throws -> JournalEntry? {
            let follower = follower
            return try await withTaskCancellationHandler {
                try await follower.next(1).first
            } onCancel: {
                follower.leave()
            }
        }
    }

    fileprivate let reactor: Reactor
    fileprivate let unit: String
    fileprivate let start: LogStart

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(JournalFollower(reactor, unit: unit, start: start))
    }
}
