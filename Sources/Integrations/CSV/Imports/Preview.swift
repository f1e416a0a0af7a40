import Contract
import Events
import Kernel

extension Imports {
    /// Bytes of a file's beginning that a preview takes.
    public static let previewBytes = 256 * 1024
    private static let previewRows = 10
    /// Rows that are looked at to suggest a mapping, and texts of each column that are shown.
    private static let suggestionRows = 50
    private static let samples = 3
    private static let sampleCharacters = 80

    /// What an import would make of a file that begins with `sample`.
    ///
    /// - Parameter isWhole: whether the sample is the whole file; else its last row may be cut.
    /// - Throws: `Fault.invalid` where it is no file of rows.
    public static func preview(
        _ sample: [UInt8], isWhole: Bool, options: ImportOptions, isTest: Bool, at now: Timestamp
    ) throws(Fault) -> ImportPreview {
        let beginning = try FileBeginning(sample, options)
        let rows = isWhole || beginning.rows.count < 2 ? beginning.rows : beginning.rows.dropLast()
        let columns = columns(beginning, rows)
        var settled = beginning.options
        if options.mappings.isEmpty { settled.mappings = mappings(columns, options) }
        var preview = ImportPreview(
            format: (
                (settled.encoding ?? .utf8).rawValue, settled.delimiter ?? "", settled.hasHeader
            ), columns: columns,
            map: (
                settled.mappings.map { "\(ImportTarget.short($0.target, of: options.kind)):\($0.column)" },
                options.mappings.isEmpty
            ), problem: nil, rows: [])
        do {
            try settled.checkMapping()
            let found = try RowColumns(settled, first: beginning.first)
            for index in columns.indices {
                preview.columns[index].target =
                    found.columns.first { $0.index == index }
                    .map { ImportTarget.short($0.target, of: options.kind) }
            }
            var reader = try PreviewReader(settled, first: beginning.first, isTest: isTest, at: now)
            preview.rows = rows.prefix(previewRows).map { reader.read($0) }
        } catch {
            guard options.mappings.isEmpty else { throw error }
            preview.problem = error.detail
        }
        return preview
    }

    private static func columns(
        _ beginning: FileBeginning, _ rows: some Collection<DelimitedParser.Row>
    ) -> [ImportPreview.Column] {
        let width = beginning.first.count
        let options = beginning.options
        let texts = (0..<width).map { index in
            rows.prefix(suggestionRows).compactMap { row in
                row.fields.indices.contains(index) ? String(decoding: row.fields[index], as: UTF8.self) : nil
            }
        }
        let names = options.hasHeader ? beginning.columns : nil
        let targets = ColumnSuggestions.targets(names: names, samples: texts, of: options.kind)
        return (0..<width).map { index in
            ImportPreview.Column(
                number: index + 1, name: names?[index],
                target: options.mappings.isEmpty
                    ? targets[index].map { ImportTarget.short($0, of: options.kind) } : nil,
                samples: texts[index].filter { !$0.isEmpty }.prefix(samples)
                    .map { String($0.prefix(sampleCharacters)) })
        }
    }

    /// The suggested mapping: by name where that finds the column, else by number.
    private static func mappings(
        _ columns: [ImportPreview.Column], _ options: ImportOptions
    ) -> [ImportOptions.Mapping] {
        columns.compactMap { column in
            guard let target = column.target.flatMap({ ImportTarget($0, of: options.kind)?.name }) else {
                return nil
            }
            let isFound = columns.first { $0.name == column.name }?.number == column.number
            let name = isFound ? column.name.flatMap { $0.isEmpty ? nil : $0 } : nil
            return .init(target: target, column: name ?? "\(column.number)")
        }
    }
}

/// Reads rows to be shown.
private struct PreviewReader {
    private let columns: RowColumns
    private let kind: ImportKind
    private var previews: any RowPreviews

    init(_ options: ImportOptions, first: [[UInt8]], isTest: Bool, at now: Timestamp) throws(Fault) {
        columns = try RowColumns(options, first: first)
        kind = options.kind
        switch options.kind {
        case .events, .profiles:
            previews = try RowReader(options: options, first: first, isTest: isTest, receivedAt: now)
        case .products: previews = try ProductReader(options, first: first)
        case .inventory: previews = try StockReader(options, first: first)
        }
    }

    mutating func read(_ row: DelimitedParser.Row) -> ImportPreview.Row {
        do {
            let understood = try previews.preview(row)
            let texts = try columns.texts(of: row.fields)
            var values: [String: String] = [:]
            for (target, index) in columns.columns where !texts[index].isEmpty {
                values[ImportTarget.short(target, of: kind)] = texts[index]
            }
            return .init(row: row.number, values: values.merging(understood) { $1 }, reason: nil)
        } catch {
            return .init(row: row.number, values: nil, reason: error.reason)
        }
    }
}
