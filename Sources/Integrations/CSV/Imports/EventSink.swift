import Contract
import Events
import Kernel

/// Rows that are events: they go through the same door as every event.
struct EventSink: RowSink {
    /// How long one commit is waited for before it is asked again.
    static let commitTimeout = Duration.seconds(30)
    /// How long a limit of the plan is waited for.
    static let patience = Duration.seconds(60)

    private let operation: OperationStore.Open
    private let source: String
    private let surroundings: Imports.Surroundings
    private var reader: RowReader
    private var events: [Event] = []
    private var lastPosition: EventStream.Position?

    var pending: Int { events.count }

    /// - Parameter first: the header, or the first row of a file that has none.
    init(
        _ input: Imports.Input, first: [[UInt8]], of operation: OperationStore.Open,
        _ surroundings: Imports.Surroundings
    ) throws {
        self.operation = operation
        self.surroundings = surroundings
        source = input.options.source
        reader = try RowReader(
            options: input.options, first: first, isTest: input.isTest, receivedAt: operation.createdAt)
    }

    mutating func take(_ row: DelimitedParser.Row) -> RowOutcome {
        switch reader.read(row) {
        case .event(let event):
            events.append(event)
            return .pending
        case .repeated: return .repeated
        case .rejected(let reason): return .rejected(reason)
        }
    }

    mutating func flush() async throws -> FlushedRows {
        let known = try await EventStore().known(
            events.map(\.key), source: events.first?.source ?? source, on: surroundings.database)
        var flushed = FlushedRows()
        var new: [Event] = []
        for event in events {
            let earlier = known[Array(event.key.utf8)]
            if let earlier, !isOfThisImport(earlier) {
                flushed.duplicates += 1
                continue
            }
            flushed.accepted += 1
            if earlier == nil { new.append(event) }
        }
        events = []
        try await accept(new)
        return flushed
    }

    /// Whether an event was brought by an earlier attempt of this same import: all of them bear the instant
    /// at which the file was received.
    private func isOfThisImport(_ event: EventID) -> Bool {
        event.uuid.instant == UUIDv7(at: operation.createdAt).instant
    }

    /// Accepts events, waiting where intake says so: an import is the client that obeys.
    private mutating func accept(_ new: [Event]) async throws {
        guard !new.isEmpty else { return }
        while true {
            do {
                lastPosition = try await surroundings.events.accept(new, isPaced: true).last
                return
            } catch let fault as Fault where fault.code == .unavailable || EventSink.passesSoon(fault) {
                try await Task.sleep(for: fault.retryAfter ?? .seconds(1))
            }
        }
    }

    /// Whether a limit is one to wait for: a month's end is not.
    private static func passesSoon(_ fault: Fault) -> Bool {
        fault.code == .limited && fault.retryAfter.map { $0 <= patience } ?? false
    }

    func finish() async throws {
        guard let lastPosition else { return }
        while await !surroundings.commits.wait(for: lastPosition, timeout: EventSink.commitTimeout) {
            try Task.checkCancellation()
            // Another process of the brand may be the one that commits; it tells nobody here.
            if try await !surroundings.events.isWaiting(lastPosition) { return }
        }
    }
}
