import Kernel

/// What the rows of a file go into.
protocol RowSink {
    /// Rows that were taken and are not flushed yet.
    var pending: Int { get }

    /// Takes a row, which is in when it has been flushed.
    mutating func take(_ row: DelimitedParser.Row) -> RowOutcome

    /// Brings in what is pending, waiting where there is no room for it at present.
    mutating func flush() async throws -> FlushedRows

    /// Returns when all that was flushed is committed.
    func finish() async throws
}

/// What became of a row at its first look.
enum RowOutcome {
    case pending
    /// A row before it says the same.
    case repeated
    case rejected(String)
}

/// What became of rows that were pending.
struct FlushedRows {
    /// New, or changed.
    var accepted: Int64 = 0
    /// Known from before.
    var duplicates: Int64 = 0
    /// Not taken after all, and why.
    var rejected: [(row: DelimitedParser.Row, reason: String)] = []
}
