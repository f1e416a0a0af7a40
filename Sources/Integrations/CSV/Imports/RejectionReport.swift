import Contract
import Events

/// The rejected rows of an import as a file: each as it was, with its number and the reason before it.
/// Mended, the file can be imported with the same mapping.
public struct RejectionReport: Sendable {
    /// Rows that are read at a time.
    private static let pageRows = 500
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    public let fileName: String
    private let operation: OperationID
    private let columns: [String]
    private let store: RejectionStore

    /// - Parameter subject: what the imported file is called.
    init(of operation: OperationID, subject: String, columns: [String], store: RejectionStore) {
        self.operation = operation
        self.columns = columns
        self.store = store
        let stem = subject.hasSuffix(".csv") ? String(subject.dropLast(4)) : subject
        fileName =
            String(stem.map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "_" })
            + ".rejected.csv"
    }

    /// Writes it in pieces. It begins with a byte order mark, without which spreadsheets take it for another
    /// encoding.
    public func write(to body: ([UInt8]) async throws -> Void) async throws {
        try await body(
            RejectionReport.byteOrderMark + DelimitedWriter.row(RowColumns.reported + columns))
        var row: Int64 = 0
        while true {
            let page = try await store.list(of: operation, behind: row, limit: RejectionReport.pageRows)
            guard let last = page.last else { return }
            try await body(
                page.flatMap { DelimitedWriter.row([String($0.row), $0.reason] + $0.fields) })
            row = last.row
        }
    }
}
