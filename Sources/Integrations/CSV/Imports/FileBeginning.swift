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
        let format = try FileFormat(
            of: sample, encoding: options.encoding, delimiter: options.delimiter.flatMap { Delimiter($0) })
        var settled = options
        settled.encoding = format.encoding
        settled.delimiter = format.delimiter.name
        self.options = settled
        let rows = try FileFormat.rows(
            try FileFormat.text(sample, format.encoding), format.delimiter)
        guard let first = rows.first else {
            throw Fault(.invalid, doing: ImportOptions.doing, "the file has no rows")
        }
        self.first = first.fields
        self.rows = options.hasHeader ? Array(rows.dropFirst()) : rows
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
