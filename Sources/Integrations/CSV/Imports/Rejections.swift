import Contract

/// The rows of one import that were not taken, as they are found.
struct Rejections {
    /// How many are kept of one import, and how many bytes of them; all are counted.
    static let maximumKept = 100_000
    static let maximumBytes = 64 << 20

    private let operation: OperationID
    private let store: RejectionStore
    /// Columns that a report has of its own: what it said is not said again.
    private let ownColumns: Int
    private var waiting: [RejectedRow] = []
    private var (kept, bytes) = (0, 0)

    init(of operation: OperationID, behind ownColumns: Int, store: RejectionStore) {
        self.operation = operation
        self.ownColumns = ownColumns
        self.store = store
    }

    /// Forgets what an attempt before this one has found: what was missing then may be there now.
    func begin() async throws { try await store.clear(operation) }

    mutating func add(_ row: DelimitedParser.Row, _ reason: String) {
        let size = row.fields.reduce(reason.utf8.count) { $0 + $1.count }
        guard kept < Rejections.maximumKept, bytes + size <= Rejections.maximumBytes else {
            // What is found later is not kept either: the kept ones are the first.
            bytes = Rejections.maximumBytes
            return
        }
        kept += 1
        bytes += size
        waiting.append(
            RejectedRow(
                row: row.number, reason: reason, fields: row.fields.dropFirst(ownColumns).map(Rejections.text)
            ))
    }

    /// A field as text that can be kept: what is none is shown as such.
    private static func text(_ field: [UInt8]) -> String {
        String(decoding: field.map { $0 == 0 ? 0xFF : $0 }, as: UTF8.self)
    }

    mutating func flush() async throws {
        guard !waiting.isEmpty else { return }
        try await store.add(waiting, to: operation)
        waiting = []
    }
}
