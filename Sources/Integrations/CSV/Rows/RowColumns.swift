import Kernel

/// Why a row is not taken.
struct RowRejection: Error {
    let reason: String

    init(reason: String) { self.reason = reason }

    /// What is wrong with the thing that a row is.
    init(_ fault: Fault) { reason = fault.field.map { "\($0): \(fault.detail)" } ?? fault.detail }
}

/// Which column of a file is what.
struct RowColumns {
    /// What a report of rejected rows has before the columns of its file. They are not looked at, so that
    /// rows which are mended in a report are the same rows as in their file.
    static let reported = ["constintel_row", "constintel_reason"]

    /// What is mapped, in the order in which it was.
    let columns: [(target: String, index: Int)]
    /// Columns of each row.
    let width: Int
    private let isReport: Bool
    private let encoding: TextEncoding

    /// - Parameter first: the header, or the first row of a file that has none.
    /// - Throws: `Fault.invalid` when a mapped column is not there.
    init(_ options: ImportOptions, first: [[UInt8]]) throws(Fault) {
        width = first.count
        encoding = options.encoding ?? .utf8
        let names = first.map { String(decoding: $0, as: UTF8.self) }
        isReport = options.hasHeader && names.starts(with: RowColumns.reported)
        let own = isReport ? RowColumns.reported.count : 0
        var columns: [(target: String, index: Int)] = []
        for mapping in options.mappings {
            guard
                let index = RowColumns.index(
                    of: mapping.column, in: names, areNames: options.hasHeader, behind: own)
            else {
                let found =
                    options.hasHeader ? names.map { "'\($0)'" }.joined(separator: ", ") : "\(names.count)"
                throw ImportOptions.wrong(
                    "map",
                    "there is no column '\(mapping.column)'; with the delimiter "
                        + "'\(options.delimiter ?? "comma")' the columns are: \(String(found.prefix(300)))")
            }
            columns.append((mapping.target, index))
        }
        self.columns = columns
    }

    /// A name goes before a number. A `+` that is in no name was a space before a form encoded it.
    /// Numbers count behind the columns that a report has of its own.
    private static func index(
        of column: String, in names: [String], areNames: Bool, behind own: Int
    ) -> Int? {
        if areNames, let index = names.firstIndex(of: column) { return index }
        if let number = Int(column), number >= 1, number <= names.count - own { return number - 1 + own }
        return areNames ? names.firstIndex(of: column.replacing("+", with: " ")) : nil
    }

    /// The texts of a row, one for each column.
    func texts(of fields: [[UInt8]]) throws(RowRejection) -> [String] {
        guard fields.count == width else {
            throw RowRejection(reason: "it has \(fields.count) columns, and the file has \(width)")
        }
        var texts: [String] = []
        texts.reserveCapacity(width)
        for field in fields {
            guard let text = String(validating: field, as: UTF8.self) else {
                let name = encoding == .utf8 ? "UTF-8" : encoding.rawValue
                throw RowRejection(reason: "it is not \(name); if the whole file is not, name its encoding")
            }
            guard !field.contains(0) else { throw RowRejection(reason: "it has a null character") }
            texts.append(text)
        }
        return texts
    }

    /// What a row is known by.
    func content(of fields: [[UInt8]]) -> ArraySlice<[UInt8]> {
        isReport ? fields.dropFirst(RowColumns.reported.count) : fields[...]
    }
}
