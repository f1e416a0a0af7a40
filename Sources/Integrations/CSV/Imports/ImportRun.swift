import Contract
import Events
import Kernel
import Postgres

/// One import from its first row to the commit of its last.
struct ImportRun {
    /// Rows that are looked up and accepted together.
    static let batchRows = 1000
    /// Rows after which it is said how far the import has come, also where none of them is an event.
    static let progressRows: Int64 = 10_000
    /// How long one commit is waited for before it is asked again.
    static let commitTimeout = Duration.seconds(30)
    /// How long a limit of the plan is waited for.
    static let patience = Duration.seconds(60)

    struct Counts {
        var rows: Int64 = 0
        /// New with this import, also when it was interrupted and began again.
        var accepted: Int64 = 0
        /// Known from before this import, or from a row before.
        var duplicates: Int64 = 0
        var rejected: Int64 = 0

        var byName: [String: Int64] {
            ["rows": rows, "accepted": accepted, "duplicates": duplicates, "rejected": rejected]
        }
    }

    private(set) var counts = Counts()
    private let operation: OperationStore.Open
    private let input: Imports.Input
    private let surroundings: Imports.Surroundings
    private let operations: OperationStore
    private let rejections: RejectionStore
    private var reader: RowReader?
    private var pending: [Event] = []
    private var rejected: [RejectedRow] = []
    private var lastPosition: EventStream.Position?
    private var bytesRead: Int64 = 0
    /// Rows that the last flush had seen.
    private var flushedRows: Int64 = 0
    /// What has been added to the metrics.
    private var measured = Counts()

    init(_ operation: OperationStore.Open, _ surroundings: Imports.Surroundings) throws {
        self.operation = operation
        self.surroundings = surroundings
        input = try operation.input.decode(Imports.Input.self)
        operations = OperationStore(database: surroundings.database)
        rejections = RejectionStore(database: surroundings.database)
    }

    mutating func perform(_ file: ImportFile) async throws {
        guard let delimiter = Delimiter(input.options.delimiter) else {
            throw ImportOptions.wrong("delimiter", "there is no delimiter '\(input.options.delimiter)'")
        }
        let parser = Held(DelimitedParser(delimiter: delimiter))
        try await file.pieces { piece in
            bytesRead += Int64(piece.count)
            try await take(try parser.value.feed(piece))
        }
        try await take(try parser.value.finish())
        try await flush()
        try await awaitCommit()
    }

    private mutating func take(_ rows: [DelimitedParser.Row]) async throws {
        for row in rows {
            if reader == nil {
                reader = try RowReader(
                    options: input.options, first: row.fields, isTest: input.isTest,
                    receivedAt: operation.createdAt)
                if input.options.hasHeader { continue }
            }
            counts.rows += 1
            switch reader?.read(row) {
            case .event(let event): pending.append(event)
            case .repeated: counts.duplicates += 1
            case .rejected(let reason): reject(row.number, reason)
            case nil: break
            }
            if pending.count >= ImportRun.batchRows || counts.rows - flushedRows >= ImportRun.progressRows {
                try await flush()
            }
        }
    }

    private mutating func reject(_ row: Int64, _ reason: String) {
        counts.rejected += 1
        if counts.rejected <= RejectionStore.maximumKept {
            rejected.append(RejectedRow(row: row, reason: reason))
        }
    }

    /// Accepts what is pending and not known, and says how far the import has come.
    private mutating func flush() async throws {
        flushedRows = counts.rows
        if !rejected.isEmpty {
            try await rejections.add(rejected, to: operation.id)
            rejected = []
        }
        let known = try await EventStore().known(
            pending.map(\.key), source: pending.first?.source ?? input.options.source,
            on: surroundings.database)
        var new: [Event] = []
        for event in pending {
            let earlier = known[Array(event.key.utf8)]
            if let earlier, !isOfThisImport(earlier) {
                counts.duplicates += 1
                continue
            }
            counts.accepted += 1
            if earlier == nil { new.append(event) }
        }
        pending = []
        try await accept(new)
        surroundings.metrics.add(counts, since: measured)
        measured = counts
        try await operations.advance(
            operation.id, to: .init(done: bytesRead, total: input.bytes, unit: "bytes"), counts: counts.byName
        )
    }

    /// Whether an event was brought by an earlier attempt of this same import: all of them bear the instant
    /// at which the file was received.
    private func isOfThisImport(_ event: EventID) -> Bool {
        event.uuid.instant == UUIDv7(at: operation.createdAt).instant
    }

    /// Accepts `events`, waiting where intake says so: an import is the client that obeys.
    private mutating func accept(_ events: [Event]) async throws {
        guard !events.isEmpty else { return }
        while true {
            do {
                lastPosition = try await surroundings.events.accept(events, isPaced: true).last
                return
            } catch let fault as Fault where fault.code == .unavailable || ImportRun.passesSoon(fault) {
                try await Task.sleep(for: fault.retryAfter ?? .seconds(1))
            }
        }
    }

    /// Whether a limit is one to wait for: a month's end is not.
    private static func passesSoon(_ fault: Fault) -> Bool {
        fault.code == .limited && fault.retryAfter.map { $0 <= patience } ?? false
    }

    private func awaitCommit() async throws {
        guard let lastPosition else { return }
        while await !surroundings.commits.wait(for: lastPosition, timeout: ImportRun.commitTimeout) {
            try Task.checkCancellation()
            // Another process of the brand may be the one that commits; it tells nobody here.
            if try await !surroundings.events.isWaiting(lastPosition) { return }
        }
    }
}

/// Holds what cannot be copied, for a closure that changes it.
private final class Held<Value: ~Copyable> {
    var value: Value

    init(_ value: consuming Value) { self.value = value }
}
