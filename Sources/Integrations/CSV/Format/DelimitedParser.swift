import CCsv

/// Cuts bytes into rows of fields as RFC 4180 says, a piece of the file at a time, through libcsv.
///
/// Fields are bytes: what they are encoded in is the reader's question. White space around a field that is
/// not quoted is cut off. An empty line is no row. A byte order mark at the beginning, as spreadsheets write
/// it, is passed over.
struct DelimitedParser: ~Copyable {
    /// One row and where it stands: rows count from 1.
    struct Row {
        let number: Int64
        var fields: [[UInt8]]
    }

    /// Bytes of one row, with what ends its fields, beyond which the file is given up: an opening quote that
    /// nothing closes would otherwise swallow the rest of it, and a row of delimiters fill the memory.
    static let maximumRowBytes = 256 * 1024
    /// Rows of one file, its header counted: something is remembered of each until the file ends.
    static let maximumRows: Int64 = 10_000_000

    enum Failure: Error, CustomStringConvertible {
        case rowTooLong(row: Int64)
        case tooManyRows(limit: Int64)
        case library(String)

        var description: String {
            switch self {
            case .rowTooLong(let row):
                "row \(row) has more than \(DelimitedParser.maximumRowBytes) bytes; is a quote left open?"
            case .tooManyRows(let limit): "a file has at most \(limit) rows; split it into several"
            case .library(let reason): "the file could not be parsed: \(reason)"
            }
        }
    }

    /// What the library's callbacks fill.
    private final class Collector {
        let dropsEmptyFields: Bool
        let maximumRows: Int64
        var rows: [Row] = []
        var fields: [[UInt8]] = []
        var rowBytes = 0
        var rowNumber: Int64 = 0
        /// The first thing that was too much; nothing is collected from there on.
        var failure: Failure?

        init(dropsEmptyFields: Bool, maximumRows: Int64) {
            self.dropsEmptyFields = dropsEmptyFields
            self.maximumRows = maximumRows
        }

        func take(_ field: UnsafeRawBufferPointer) {
            guard failure == nil else { return }
            rowBytes += field.count + 1
            guard rowBytes <= DelimitedParser.maximumRowBytes else {
                failure = .rowTooLong(row: rowNumber + 1)
                return
            }
            if field.isEmpty, dropsEmptyFields { return }
            fields.append(Array(field))
        }

        func endRow() {
            guard failure == nil else { return }
            rowNumber += 1
            guard rowNumber <= maximumRows else {
                failure = .tooManyRows(limit: maximumRows)
                return
            }
            if !fields.isEmpty { rows.append(Row(number: rowNumber, fields: fields)) }
            fields = []
            rowBytes = 0
        }
    }

    private let parser: UnsafeMutablePointer<csv_parser>
    private let collector: Collector
    /// The file's first bytes, until there are enough to tell whether a byte order mark begins it.
    private var beginning: [UInt8]? = []
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// - Parameter delimiter: where rows are columns padded with spaces, every run of spaces separates.
    init(delimiter: Delimiter, maximumRows: Int64 = DelimitedParser.maximumRows) {
        collector = Collector(dropsEmptyFields: delimiter == .whitespace, maximumRows: maximumRows)
        parser = .allocate(capacity: 1)
        let initialised = csv_init(parser, 0)
        precondition(initialised == 0, "libcsv could not be initialised")
        csv_set_delim(parser, delimiter.byte)
    }

    deinit {
        csv_free(parser)
        parser.deallocate()
    }

    /// The rows that `bytes` complete.
    mutating func feed(_ bytes: [UInt8]) throws(Failure) -> [Row] {
        guard let beginning else { return try parse(bytes) }
        let known = beginning + bytes
        guard known.count >= DelimitedParser.byteOrderMark.count else {
            self.beginning = known
            return []
        }
        self.beginning = nil
        return try parse(
            known.starts(with: DelimitedParser.byteOrderMark) ? Array(known.dropFirst(3)) : known)
    }

    private func parse(_ bytes: [UInt8]) throws(Failure) -> [Row] {
        let taken = csv_parse(
            parser, bytes, bytes.count, DelimitedParser.onField, DelimitedParser.onRow,
            Unmanaged.passUnretained(collector).toOpaque())
        guard taken == bytes.count else { throw .library(String(cString: csv_strerror(csv_error(parser)))) }
        // The buffer holds the field that has begun: one of twice the limit will be too long when it ends.
        if csv_get_buffer_size(parser) > 2 * DelimitedParser.maximumRowBytes {
            throw collector.failure ?? .rowTooLong(row: collector.rowNumber + 1)
        }
        return try takeRows()
    }

    /// The row that the end of the file completes, if any.
    mutating func finish() throws(Failure) -> [Row] {
        var rows: [Row] = []
        if let beginning {
            self.beginning = nil
            rows = try parse(beginning)
        }
        let context = Unmanaged.passUnretained(collector).toOpaque()
        guard csv_fini(parser, DelimitedParser.onField, DelimitedParser.onRow, context) == 0 else {
            throw .library(String(cString: csv_strerror(csv_error(parser))))
        }
        return rows + (try takeRows())
    }

    private func takeRows() throws(Failure) -> [Row] {
        if let failure = collector.failure { throw failure }
        defer { collector.rows.removeAll(keepingCapacity: true) }
        return collector.rows
    }

    private static let onField:
        @convention(c) (UnsafeMutableRawPointer?, Int, UnsafeMutableRawPointer?) -> Void = {
            bytes, count, context in
            guard let context else { return }
            Unmanaged<Collector>.fromOpaque(context).takeUnretainedValue()
                .take(UnsafeRawBufferPointer(start: bytes, count: count))
        }

    private static let onRow: @convention(c) (Int32, UnsafeMutableRawPointer?) -> Void = { _, context in
        guard let context else { return }
        Unmanaged<Collector>.fromOpaque(context).takeUnretainedValue().endRow()
    }
}
