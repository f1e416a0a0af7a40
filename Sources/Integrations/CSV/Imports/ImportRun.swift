import Contract
import Events
import Kernel
import Postgres

/// One import from its first row to the commit of its last.
struct ImportRun {
    /// Rows that are looked up and accepted together.
    static let batchRows = 1000
    /// And bytes of them.
    static let batchBytes = 8 << 20
    /// Rows after which it is said how far the import has come, also where none of them is taken.
    static let progressRows: Int64 = 10_000

    struct Counts {
        var rows: Int64 = 0
        /// New with this import: events also when it was interrupted and began again, while products and
        /// stock levels that it had set by then count as known.
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
    private var rejections: Rejections
    private var sink: (any RowSink)?
    private var bytesRead: Int64 = 0
    /// Bytes of the rows since the last flush.
    private var pendingBytes = 0
    /// Rows that the last flush had seen.
    private var flushedRows: Int64 = 0
    /// What has been added to the metrics.
    private var measured = Counts()

    init(_ operation: OperationStore.Open, _ surroundings: Imports.Surroundings) throws {
        self.operation = operation
        self.surroundings = surroundings
        input = try operation.input.decode(Imports.Input.self)
        operations = OperationStore(database: surroundings.database)
        rejections = Rejections(
            of: operation.id, behind: input.ownColumns,
            store: RejectionStore(database: surroundings.database))
    }

    mutating func perform(_ file: ImportFile) async throws {
        let name = input.options.delimiter ?? "comma"
        guard let delimiter = Delimiter(name) else {
            throw ImportOptions.wrong("delimiter", "there is no delimiter '\(name)'")
        }
        try await rejections.begin()
        let decoder = Held(try TextDecoder(input.options.encoding ?? .utf8))
        let parser = Held(DelimitedParser(delimiter: delimiter))
        try await file.pieces { piece in
            bytesRead += Int64(piece.count)
            try await take(try parser.value.feed(decoder.value.decode(piece)))
        }
        try await take(try parser.value.feed(decoder.value.finish()))
        try await take(try parser.value.finish())
        try await flush()
        try await sink?.finish()
    }

    private mutating func take(_ rows: [DelimitedParser.Row]) async throws {
        for row in rows {
            if sink == nil {
                sink = try makeSink(first: row.fields)
                if input.options.hasHeader { continue }
            }
            counts.rows += 1
            switch sink?.take(row) {
            case .pending, nil: break
            case .repeated: counts.duplicates += 1
            case .rejected(let reason): reject(row, reason)
            }
            let pending = sink?.pending ?? 0
            pendingBytes += row.fields.reduce(0) { $0 + $1.count }
            if pending >= ImportRun.batchRows || pendingBytes >= ImportRun.batchBytes
                || counts.rows - flushedRows >= ImportRun.progressRows
            {
                try await flush()
            }
        }
    }

    private func makeSink(first: [[UInt8]]) throws -> any RowSink {
        switch input.options.kind {
        case .events, .profiles: try EventSink(input, first: first, of: operation, surroundings)
        case .products: try ProductSink(input.options, first: first, of: operation, surroundings)
        case .inventory: try StockSink(input.options, first: first, of: operation, surroundings)
        }
    }

    private mutating func reject(_ row: DelimitedParser.Row, _ reason: String) {
        counts.rejected += 1
        rejections.add(row, reason)
    }

    /// Brings in what is pending and not known, and says how far the import has come.
    private mutating func flush() async throws {
        flushedRows = counts.rows
        pendingBytes = 0
        if let flushed = try await sink?.flush() {
            counts.accepted += flushed.accepted
            counts.duplicates += flushed.duplicates
            for (row, reason) in flushed.rejected { reject(row, reason) }
        }
        try await rejections.flush()
        surroundings.metrics.add(counts, since: measured)
        measured = counts
        try await operations.advance(
            operation.id, to: .init(done: bytesRead, total: input.bytes, unit: "bytes"), counts: counts.byName
        )
    }
}

/// Holds what cannot be copied, for a closure that changes it.
private final class Held<Value: ~Copyable> {
    var value: Value

    init(_ value: consuming Value) { self.value = value }
}
