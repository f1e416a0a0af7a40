import Kernel

/// How a file is written: what was asked for, or else what its beginning shows.
struct FileFormat: Equatable {
    let encoding: TextEncoding
    let delimiter: Delimiter

    /// Rows that are looked at to find the delimiter.
    private static let rows = 100
    /// In the order in which they are preferred.
    private static let delimiters = [",", ";", "\t", "|"].map { Delimiter.character(Array($0.utf8)[0]) }

    /// - Parameter sample: the beginning of the file; the character at its end may be cut.
    /// - Throws: `Fault.invalid` where it is empty, or no text.
    init(of sample: [UInt8], encoding: TextEncoding?, delimiter: Delimiter?) throws(Fault) {
        guard !sample.isEmpty else { throw Fault(.invalid, doing: ImportOptions.doing, "the file is empty") }
        guard let found = encoding ?? TextEncoding.detected(in: sample) else {
            throw Fault(
                .invalid, doing: ImportOptions.doing,
                "the file is not text: save it as CSV, or name its encoding", field: "encoding")
        }
        self.encoding = found
        let text = try FileFormat.text(sample, found)
        self.delimiter = delimiter ?? FileFormat.delimiter(in: text)
    }

    /// The sample as UTF-8, without a character that its end has cut.
    ///
    /// - Throws: `Fault.invalid` where it is not text of this encoding.
    static func text(_ sample: [UInt8], _ encoding: TextEncoding) throws(Fault) -> [UInt8] {
        var decoder = try TextDecoder(encoding)
        let text = decoder.decode(sample)
        guard !text.contains(0), TextEncoding.isUTF8(text) else {
            throw Fault(
                .invalid, doing: ImportOptions.doing, "the file is not \(encoding.rawValue) text",
                field: "encoding")
        }
        return text
    }

    /// The first rows of a file of which `text` is the beginning; the last of them may be cut.
    static func rows(_ text: [UInt8], _ delimiter: Delimiter) throws(Fault) -> [DelimitedParser.Row] {
        var parser = DelimitedParser(delimiter: delimiter)
        do {
            return try parser.feed(text) + parser.finish()
        } catch {
            throw Fault(.invalid, doing: ImportOptions.doing, "\(error)")
        }
    }

    /// The delimiter by which the rows have as many columns as the first of them, and that are the most; a
    /// comma where there is only one column, unless blanks make several of every row.
    private static func delimiter(in text: [UInt8]) -> Delimiter {
        var best: (delimiter: Delimiter, fitting: Int, width: Int)?
        for delimiter in delimiters {
            guard let (fitting, width, _) = fit(delimiter, text), width > 1 else { continue }
            if let known = best, (known.fitting, known.width) >= (fitting, width) { continue }
            best = (delimiter, fitting, width)
        }
        if let best { return best.delimiter }
        if let (fitting, width, all) = fit(.whitespace, text), width > 1, all > 1, fitting == all {
            return .whitespace
        }
        return delimiters[0]
    }

    /// How many of the first rows have as many columns as the first; nil where there are no rows.
    private static func fit(_ delimiter: Delimiter, _ text: [UInt8]) -> (fitting: Int, width: Int, all: Int)?
    {
        guard var found = try? rows(text, delimiter), let first = found.first else { return nil }
        // The last row may be cut; of two, it is the only one that shows anything.
        if found.count > 2 { found.removeLast() }
        found = Array(found.prefix(rows))
        let width = first.fields.count
        return (found.count { $0.fields.count == width }, width, found.count)
    }
}
