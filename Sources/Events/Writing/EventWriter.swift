import Contract
import Kernel
import Logging
import Postgres
import Reactor
import ServiceLifecycle
import Workflow

/// Moves events from the stream into the tables: the oldest entries, one transaction for a batch, and only
/// after its commit the entries are removed.
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
    /// The failpoint between a commit and the removal of its entries: a crash there makes a batch be read
    /// again.
    public static func afterCommit(_ brand: Slug) -> String { "events.write.afterCommit.\(brand)" }

    private let stream: EventStream
    private let gate: IntakeGate
    private let arrivals: Arrivals
    private let commits: CommitWatch
    private let database: WriterDatabase
    private let projectors: [any Projector]
    private let logger: Logger
    private let metrics = EventMetrics()

    public init(
        intake: (stream: EventStream, gate: IntakeGate, arrivals: Arrivals), commits: CommitWatch,
        database: WriterDatabase, projectors: [any Projector], logger: Logger
    ) {
        (stream, gate, arrivals) = intake
        self.commits = commits
        self.database = database
        self.projectors = projectors
        self.logger = logger
    }

    /// Writes until a graceful shutdown.
    ///
    /// - Throws: `Fault.conflict` when this process is fenced: it must not go on accepting either.
    public func run() async throws {
        do {
            try await cancelWhenGracefulShutdown { try await writeForEver() }
        } catch {
            await database.close()
            throw error
        }
        await database.close()
    }

    private func writeForEver() async throws {
        var pause = EventWriter.pauses.first
        var size = EventWriter.batchEntries
        while !Task.isCancelled {
            do {
                if try await writeOldest(size) == 0 { await arrivals.wait(atMost: EventWriter.idlePeriod) }
                pause = EventWriter.pauses.first
                size = min(size * 2, EventWriter.batchEntries)
            } catch let fault as Fault where fault.code == .conflict {
                throw fault
            } catch {
                if Task.isCancelled { return }
                metrics.failures.increment()
                logger.warning("the writer waits and tries again", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: pause)
                pause = min(pause * 2, EventWriter.pauses.last)
                // What fails by its size, such as a time-out, may pass in smaller batches.
                size = max(1, size / 2)
            }
        }
    }

    /// Commits the oldest entries, at most `count`, and removes them; gives how many there were.
    func writeOldest(_ count: Int = batchEntries) async throws -> Int {
        let entries = try await stream.oldest(count)
        guard !entries.isEmpty else { return 0 }
        try await write(entries[...])
        return entries.count
    }

    /// Commits `entries`. Where one of them cannot be stored, halves the batch until that one is alone, and
    /// keeps it as a dead letter: one bad event never stops the others.
    private func write(_ entries: ArraySlice<EventStream.Entry>) async throws {
        do {
            try await commit(entries)
        } catch let error where EventWriter.blames(error) {
            guard entries.count > 1 else { return try await refuse(entries[entries.startIndex], "\(error)") }
            let middle = entries.startIndex + entries.count / 2
            try await write(entries[..<middle])
            try await write(entries[middle...])
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

    private func commit(_ entries: ArraySlice<EventStream.Entry>) async throws {
        var events: [PlacedEvent] = []
        var unreadable: [(EventStream.Entry, EventEnvelope.Unreadable)] = []
        for entry in entries {
            do {
                let event = try EventEnvelope.event(from: entry.fields)
                events.append(PlacedEvent(id: EventID(at: event.receivedAt), event: event))
            } catch EventEnvelope.Unreadable.newer(let version) {
                // Not a bad event but an old reader: it waits for the release that wrote it.
                throw Fault(
                    .unavailable, doing: "read the stream",
                    "an entry has version \(version), newer than this release knows")
            } catch {
                unreadable.append((entry, error))
            }
        }
        if !events.isEmpty {
            let start = ContinuousClock.now
            let new = try await database.commit(EventBatch(events: events), through: projectors)
            metrics.commit(events.count, new: new, in: ContinuousClock.now - start)
        }
        try Failpoint.hit(EventWriter.afterCommit(stream.brand))
        for (entry, reason) in unreadable { try await refuse(entry, "\(reason)") }
        let refused = Set(unreadable.map(\.0.id))
        let committed = entries.filter { !refused.contains($0.id) }
        try await stream.remove(committed)
        gate.leave(committed.count)
        if let last = entries.last { await commits.publish(last.position) }
    }

    private func refuse(_ entry: EventStream.Entry, _ reason: String) async throws {
        logger.error("an event cannot be stored", metadata: ["entry": "\(entry.id)", "reason": "\(reason)"])
        try await stream.refuse(entry, because: reason)
        try await stream.remove([entry])
        metrics.deadLettered.increment()
        gate.leave(1)
        await commits.publish(entry.position)
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

    /// Applies `batch` through all `projectors` in one transaction, under the writer lease; gives how many of
    /// its events were new.
    ///
    /// - Throws: `Fault.conflict` when this generation is fenced; `PostgresError` for what PostgreSQL
    /// refuses.
    func commit(_ batch: EventBatch, through projectors: [any Projector]) async throws -> Int {
        try await transaction { transaction in
            var batch = batch
            for projector in projectors { try await projector.project(&batch, in: transaction) }
            return batch.events.count
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
