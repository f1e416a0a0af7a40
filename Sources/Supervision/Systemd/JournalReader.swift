import Contract
import Kernel
import Reactor

/// One unit's log as the journal has it.
final class JournalReader: UnitLogReader {
    private let follower: JournalFollower

    init(_ follower: JournalFollower) { self.follower = follower }

    deinit { follower.leave() }

    func next(_ count: Int, within limit: Duration) async throws -> [LogEntry] {
        let follower = follower
        let entries = try await withTaskCancellationHandler {
            try await follower.next(count, within: limit)
        } onCancel: {
            follower.leave()
        }
        return entries.map { LogEntry($0) }
    }
}

extension LogEntry {
    /// A line of the journal. A program's own level counts for more than the journal's, which is the same for
    /// all that goes through standard error.
    init(_ entry: JournalEntry) {
        let isSupervisor = entry.pid == 1
        let line = LogLine(entry.message)
        let levels = Level.allCases
        self.init(
            cursor: entry.cursor, at: entry.at,
            level: line.level ?? levels[min(max(0, entry.priority), levels.count - 1)],
            source: isSupervisor ? .supervisor : .service, pid: entry.pid, message: line.message)
    }
}

/// One reader's place in the journal.
actor JournalFollower {
    private let reactor: Reactor
    private let unit: String
    private let start: LogStart
    private var handle: JournalHandle?
    private var watched: Int32?
    private var waiter: CheckedContinuation<Void, Never>?
    private var hasLeft = false
    private var read = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

    init(_ reactor: Reactor, unit: String, start: LogStart) {
        self.reactor = reactor
        self.unit = unit
        self.start = start
    }

    /// At most `count` next entries, waiting for the first as long as `limit` allows; none then, and none
    /// once it has been left.
    func next(_ count: Int, within limit: Duration? = nil) async throws -> [JournalEntry] {
        if watched == nil, !hasLeft { try open() }
        let deadline = limit.map { ContinuousClock.now + $0 }
        var entries: [JournalEntry] = []
        while !hasLeft {
            while entries.count < count, let entry = try handle?.next() {
                entries.append(entry)
                read += 1
                if read.isMultiple(of: Journal.batch) { await Task.yield() }
            }
            if !entries.isEmpty { return entries }
            if let deadline, deadline <= .now { return [] }
            await wait(until: deadline)
        }
        return entries
    }

    private func wait(until deadline: ContinuousClock.Instant?) async {
        let alarm = deadline.map { deadline in
            Task {
                do { try await Task.sleep(until: deadline, clock: .continuous) } catch { return }
                resume()
            }
        }
        await withCheckedContinuation { waiter = $0 }
        alarm?.cancel()
    }

    private func open() throws {
        handle = try JournalHandle(unit: unit)
        // The descriptor first: what is written between the two is then seen in any case.
        let descriptor = try handle?.descriptor()
        switch start {
        case .last(let count): try handle?.seek(beforeEnd: count)
        case .since(let instant): try handle?.seek(since: instant)
        case .after(let cursor): try handle?.seek(after: cursor)
        }
        guard let descriptor else { return }
        watched = descriptor
        reactor.watch(descriptor, for: .read) { _ in self.assumeIsolated { $0.wake() } }
    }

    private func wake() {
        handle?.process()
        resume()
    }

    private func resume() {
        waiter?.resume()
        waiter = nil
    }

    /// Closes the journal; who waits gets nothing.
    nonisolated func leave() {
        reactor.submit { self.assumeIsolated { $0.close() } }
    }

    private func close() {
        hasLeft = true
        if let watched { reactor.unwatch(watched) }
        watched = nil
        handle = nil
        resume()
    }
}
