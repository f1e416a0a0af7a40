import Events
import Kernel

/// The first rows of a file, and how it is written.
struct FileBeginning {
    /// What was asked for, with what was found out.
    let options: ImportOptions
    /// The header, or the first row of a file that has none.
    let first: [[UInt8]]
    /// The rows that are data; the last may be cut.
    let rows: [DelimitedParser.Row]

    /// - Throws: `Fault.invalid` where it is empty, no text, or has no rows.
    init(_ sample: [UInt8], _ options: ImportOptions) throws(Fault) {
        var settled = options
        let format: FileFormat
        if let report = FileBeginning.report(sample) {
            (format, settled.hasHeader) = (report, true)
        } else {
            format = try FileFormat(
                of: sample, encoding: options.encoding,
                delimiter: options.delimiter.flatMap { Delimiter($0) })
        }
        settled.encoding = format.encoding
        settled.delimiter = format.delimiter.name
        self.options = settled
        let rows = try FileFormat.rows(
            try FileFormat.text(sample, format.encoding), format.delimiter)
        guard let first = rows.first else {
            throw Fault(.invalid, doing: ImportOptions.doing, "the file has no rows")
        }
        self.first = first.fields
        self.rows = settled.hasHeader ? Array(rows.dropFirst()) : rows
    }

    /// How a report of rejected rows is written: as we have, or as what it was mended with has; nil for
    /// other files. What was asked for is how the file is written that it comes from.
    private static func report(_ sample: [UInt8]) -> FileFormat? {
        guard let format = try? FileFormat(of: sample, encoding: nil, delimiter: nil),
            let text = try? FileFormat.text(sample, format.encoding),
            let first = try? FileFormat.rows(text, format.delimiter).first
        else { return nil }
        return first.fields.starts(with: RowColumns.reported.map { Array($0.utf8) }) ? format : nil
    }

    /// Whether it is a report of rejected rows.
    var isReport: Bool {
        options.hasHeader && first.starts(with: RowColumns.reported.map { Array($0.utf8) })
    }

    /// What the columns are called; by their numbers in a file without a header.
    var columns: [String] {
        options.hasHeader
            ? first.map { String(decoding: $0, as: UTF8.self) } : first.indices.map { String($0 + 1) }
    }

    /// Refuses what cannot be a file of the mapped columns.
    ///
    /// - Throws: `Fault.invalid` for `map`.
    func check() throws(Fault) {
        try options.checkMapping()
        _ = try RowColumns(options, first: first)
    }
}
