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
        return JournalEntries(reactor: reactor, unit: unit, count: wanted, cursor: cursor)
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
                try await follower.next()
            } onCancel: {
                follower.leave()
            }
        }
    }

    fileprivate let reactor: Reactor
    fileprivate let unit: String
    fileprivate let count: Int
    fileprivate let cursor: String?

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(JournalFollower(reactor, unit: unit, count: count, cursor: cursor))
    }
}

/// One reader's place in the journal.
private actor JournalFollower {
    private let reactor: Reactor
    private let unit: String
    private let count: Int
    private let cursor: String?
    private var handle: JournalHandle?
    private var watched: Int32?
    private var waiter: CheckedContinuation<Void, Never>?
    private var hasLeft = false
    private var read = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

    init(_ reactor: Reactor, unit: String, count: Int, cursor: String?) {
        self.reactor = reactor
        self.unit = unit
        self.count = count
        self.cursor = cursor
    }

    func next() async throws -> JournalEntry? {
        if watched == nil, !hasLeft { try open() }
        while !hasLeft {
            if let entry = try handle?.next() {
                read += 1
                if read.isMultiple(of: Journal.batch) { await Task.yield() }
                return entry
            }
            await withCheckedContinuation { waiter = $0 }
        }
        return nil
    }

    private func open() throws {
        handle = try JournalHandle(unit: unit)
        // The descriptor first: what is written between the two is then seen in any case.
        let descriptor = try handle?.descriptor()
        if let cursor { try handle?.seek(after: cursor) } else { try handle?.seek(beforeEnd: count) }
        guard let descriptor else { return }
        watched = descriptor
        reactor.watch(descriptor, for: .read) { _ in self.assumeIsolated { $0.wake() } }
    }

    private func wake() {
        handle?.process()
        waiter?.resume()
        waiter = nil
    }

    /// Closes the journal; who waits gets nil.
    nonisolated func leave() {
        reactor.submit { self.assumeIsolated { $0.close() } }
    }

    private func close() {
        hasLeft = true
        if let watched { reactor.unwatch(watched) }
        watched = nil
        handle = nil
        waiter?.resume()
        waiter = nil
    }
}
