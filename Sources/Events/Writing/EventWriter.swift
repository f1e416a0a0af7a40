import Contract
import Kernel
import Logging
import Postgres
import Reactor
import ServiceLifecycle
import Workflow

/// Moves events from the stream into the tables: the oldest entries, one transaction for a batch, and only
/// after its commit the entries are removed. While a batch is committed, the one before it is removed and the
/// one behind it is read: the stream and the tables do not wait for each other.
///
/// Killed anywhere, it reads the same entries again; the event keys make what was committed a no-op. Only the
/// holder of the writer lease commits, so several processes of a brand may run one each.
public struct EventWriter: Service {
    /// Entries in one transaction.
    public static let batchEntries = 1000
    /// How long the writer sleeps when the stream is empty and nobody wakes it.
    static let idlePeriod = Duration.milliseconds(250)
    /// The pauses after a failure: doubled each time, up to the second.
    static let pauses = (first: Duration.milliseconds(100), last: Duration.seconds(5))
    /// How long the writer, asked to leave, goes on to commit what has been acknowledged.
    static let farewell = Duration.seconds(5)
    /// The failpoint between a commit and the removal of its entries: a crash there makes a batch be read
    /// again.
    public static func afterCommit(_ brand: Slug) -> String { "events.write.afterCommit.\(brand)" }

    private let stream: EventStream
    private let gate: IntakeGate
    private let arrivals: Arrivals
    private let quota: EventQuota
    private let commits: CommitWatch
    private let database: WriterDatabase
    private let projectors: [any Projector]
    private let logger: Logger
    private let metrics = EventMetrics()

    public init(
        intake: (stream: EventStream, gate: IntakeGate, arrivals: Arrivals, quota: EventQuota),
        commits: CommitWatch, database: WriterDatabase, projectors: [any Projector], logger: Logger
    ) {
        (stream, gate, arrivals, quota) = intake
        self.commits = commits
        self.database = database
        self.projectors = projectors
        self.logger = logger
    }

    /// Writes until a graceful shutdown, and then what is left: an instance that sleeps must leave nothing in
    /// its stream. What cannot be written soon waits for the next start.
    ///
    /// - Throws: `Fault.conflict` when this process is fenced: it must not go on accepting either.
    public func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await writeForEver() }
            await writeRest()
        } catch {
            await database.close()
            throw error
        }
        await database.close()
    }

    private func writeRest() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { while let count = try? await writeOldest(), count > 0 {} }
            group.addTask { try? await Task.sleep(for: EventWriter.farewell) }
            await group.next()
            group.cancelAll()
        }
    }

    private func writeForEver() async throws {
        var pause = EventWriter.pauses.first
        var size = EventWriter.batchEntries
        var round = Round()
        while !Task.isCancelled {
            do {
                if try await write(size, &round) == 0 { await arrivals.wait(atMost: EventWriter.idlePeriod) }
                pause = EventWriter.pauses.first
                size = min(size * 2, EventWriter.batchEntries)
            } catch let fault as Fault where fault.code == .conflict {
                throw fault
            } catch {
                if Task.isCancelled { return }
                round = Round()
                metrics.failures.increment()
                logger.warning("the writer waits and tries again", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: pause)
                pause = min(pause * 2, EventWriter.pauses.last)
                // What fails by its size, such as a time-out, may pass in smaller batches.
                size = max(1, size / 2)
            }
        }
    }

    /// Commits the oldest entries, `count` at a time, and removes them, until there are fewer; gives how many
    /// there were.
    func writeOldest(_ count: Int = batchEntries) async throws -> Int {
        var round = Round()
        var total = 0
        repeat { total += try await write(count, &round) } while round.next != nil
        return total
    }

    /// Commits one batch; gives how many entries it had.
    ///
    /// When this throws, the round is void: what is committed and not yet removed is read again.
    private func write(_ count: Int, _ round: inout Round) async throws -> Int {
        let batch = if let next = round.next { next } else { try await read(count, behind: nil) }
        guard let last = batch.last else { return 0 }
        async let removal: Void = remove(round.committed)
        async let following = batch.count == count ? read(count, behind: last.entry) : []
        let committed = try await write(batch[...])
        try await removal
        let next = try await following
        // A part of a batch is left where it is: by now more may have come.
        round = next.count == count ? Round(committed: committed, next: next) : Round()
        if round.next == nil { try await remove(committed) }
        return batch.count
    }

    private func read(_ count: Int, behind entry: EventStream.Entry?) async throws -> [Reading] {
        try await stream.oldest(count, behind: entry).map(Reading.init)
    }

    /// Commits `readings`, and gives their entries. Where one of them cannot be stored, halves the batch
    /// until that one is alone, and keeps it as a dead letter: one bad event never stops the others.
    private func write(_ readings: ArraySlice<Reading>) async throws -> [EventStream.Entry] {
        do {
            return try await commit(readings)
        } catch let error where EventWriter.blames(error) {
            guard readings.count > 1 else {
                try await refuse(readings[readings.startIndex].entry, error)
                return []
            }
            let middle = readings.startIndex + readings.count / 2
            return try await write(readings[..<middle]) + write(readings[middle...])
        }
    }

    /// Whether an error says that an event is at fault, which trying again will not mend.
    private static func blames(_ error: any Error) -> Bool {
        switch error {
        case let error as PostgresError: error.isDataError
        case let fault as Fault: fault.code == .invalid
        default: error is JSONError || error is PostgresDecodingError
        }
    }

    private func commit(_ readings: ArraySlice<Reading>) async throws -> [EventStream.Entry] {
        var events: [PlacedEvent] = []
        var committed: [EventStream.Entry] = []
        var unreadable: [(EventStream.Entry, EventEnvelope.Unreadable)] = []
        for reading in readings {
            switch reading.event {
            case .success(let event):
                events.append(event)
                committed.append(reading.entry)
            case .failure(.newer(let version)):
                // Not a bad event but an old reader: it waits for the release that wrote it.
                throw Fault(
                    .unavailable, doing: "read the stream",
                    "an entry has version \(version), newer than this release knows")
            case .failure(let error): unreadable.append((reading.entry, error))
            }
        }
        if !events.isEmpty {
            let start = ContinuousClock.now
            let new = try await database.commit(EventBatch(events: events), through: projectors)
            metrics.commit(events.count, new: new.count, in: ContinuousClock.now - start)
            quota.note(new)
        }
        try Failpoint.hit(EventWriter.afterCommit(stream.brand))
        for (entry, error) in unreadable { try await refuse(entry, error) }
        if let last = readings.last { await commits.publish(last.entry.position) }
        return committed
    }

    /// Removes what is committed.
    private func remove(_ committed: [EventStream.Entry]) async throws {
        guard !committed.isEmpty else { return }
        try await stream.remove(committed)
        gate.leave(committed.count)
    }

    private func refuse(_ entry: EventStream.Entry, _ error: any Error) async throws {
        guard try await stream.deadLetters() < DeadLetters.maximum else {
            throw Fault(
                .unavailable, doing: "keep a dead letter",
                "there are \(DeadLetters.maximum) already; replay or discard them")
        }
        logger.error("an event cannot be stored", metadata: ["entry": "\(entry.id)", "reason": "\(error)"])
        // To a log the server's own words say too much; beside the event they say nothing new.
        let reason = (error as? PostgresError).map { "\($0.sqlState): \($0.message)" } ?? "\(error)"
        try await stream.refuse(entry, because: reason)
        try await stream.remove([entry])
        metrics.deadLettered.increment()
        gate.leave(1)
        await commits.publish(entry.position)
    }
}

extension EventWriter {
    /// An entry, and the event in it.
    private struct Reading {
        let entry: EventStream.Entry
        let event: Result<PlacedEvent, EventEnvelope.Unreadable>

        init(_ entry: EventStream.Entry) {
            self.entry = entry
            event = Result { () throws(EventEnvelope.Unreadable) in
                let event = try EventEnvelope.event(from: entry.fields)
                return PlacedEvent(id: EventID(at: event.receivedAt), event: event)
            }
        }
    }

    /// What one batch leaves to the next.
    private struct Round {
        /// Committed, and still in the stream.
        var committed: [EventStream.Entry] = []
        /// A whole batch that is read already.
        var next: [Reading]?
    }
}

/// The writer's own connection, opened when it is needed and again when it is lost.
public actor WriterDatabase {
    private let configuration: PostgresConfiguration
    private let reactor: Reactor
    private let generation: Int64
    private var connection: PostgresConnection?
    private let store = EventStore()

    public init(configuration: PostgresConfiguration, reactor: Reactor, generation: Int64) {
        self.configuration = configuration
        self.reactor = reactor
        self.generation = generation
    }

    /// Applies `batch` through all `projectors` in one transaction, under the writer lease; gives those of
    /// its events that were new.
    ///
    /// - Throws: `Fault.conflict` when this generation is fenced; `PostgresError` for what PostgreSQL
    /// refuses.
    func commit(_ batch: EventBatch, through projectors: [any Projector]) async throws -> [PlacedEvent] {
        try await transaction { transaction in
            var batch = batch
            for projector in projectors { try await projector.project(&batch, in: transaction) }
            return batch.events
        }
    }

    /// Runs `body` in one transaction under the writer lease: nobody else commits to the brand meanwhile.
    ///
    /// - Throws: `Fault.conflict` when this generation is fenced.
    package func transaction<T: Sendable>(
        _ body: @Sendable (PostgresTransaction) async throws -> T
    ) async throws -> T {
        let connection = try await open()
        return try await connection.transaction { [store, generation] transaction in
            try await store.holdLease(generation: generation, in: transaction)
            return try await body(transaction)
        }
    }

    /// Closes the connection; what is run later opens another.
    public func close() async {
        await connection?.close()
        connection = nil
    }

    private func open() async throws -> PostgresConnection {
        if let connection, await !connection.isClosed { return connection }
        let opened = try await PostgresConnection.connect(configuration, on: reactor)
        // A brand's tables begin empty, and a plan that is kept from then would read them whole while they
        // grow.
        try await store.planEachStatement(on: opened)
        connection = opened
        return opened
    }
}
