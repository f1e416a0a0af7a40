import ArgumentParser
import Contract

/// How an imported file is written and what its columns mean, as the query of `POST /api/integrations/csv`.
struct FormatOptions: ParsableArguments {
    /// What the rows of a file are.
    enum Kind: String, CaseIterable, ExpressibleByArgument { case events, profiles, products, inventory }

    /// The delimiters that have names; any other is one character.
    static let namedDelimiters = ["auto", "comma", "semicolon", "tab", "pipe", "whitespace"]

    @Option(help: "What the rows are: events, profiles, products or inventory.")
    var kind = Kind.events

    @Option(
        help: "auto, comma, semicolon, tab, pipe, whitespace (any run of blanks), or a character.")
    var delimiter = "auto"

    @Option(help: "What the file is encoded in: auto, utf-8, windows-1252, utf-16le and the like.")
    var encoding: String?

    @Flag(help: "The first row is data; columns are named by their numbers.")
    var noHeader = false

    @Option(help: "The type of the events (default: purchase).")
    var type: String?

    @Option(help: "What a column holds, as target=column; repeat it for several.")
    var map: [String] = []

    @Option(help: "How dates are written: yyyyMMdd, dd/MM/yyyy and the like, or auto.")
    var dateFormat: String?

    @Option(
        help: "Where the rows come from: the same row from another source is another event (default: csv).")
    var source: String?

    @Option(help: "The channel of the events, such as web or pos.")
    var channel: String?

    @Option(help: "The time zone of dates without one (default: the brand's).")
    var timeZone: String?

    func validate() throws {
        let isCharacter =
            delimiter.utf8.count == 1
            && delimiter.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x22 }
        guard Self.namedDelimiters.contains(delimiter) || isCharacter else {
            throw ValidationError(
                "--delimiter is an ASCII character or \(Self.namedDelimiters.joined(separator: ", "))"
            )
        }
        for mapping in map where Self.parts(mapping) == nil {
            throw ValidationError("--map '\(mapping)' is not of the form target=column")
        }
    }

    /// The options that were given as parameters of the query, `map` as often as it was.
    var query: [(name: String, value: String)] {
        var query: [(name: String, value: String)] = []
        let given = [
            ("kind", kind == .events ? nil : kind.rawValue),
            ("delimiter", delimiter == "auto" ? nil : delimiter),
            ("encoding", encoding), ("header", noHeader ? "false" : nil), ("type", type), ("source", source),
            ("dateFormat", dateFormat), ("channel", channel), ("timeZone", timeZone),
        ]
        for (name, value) in given {
            if let value { query.append((name, value)) }
        }
        for mapping in map {
            if let (target, column) = Self.parts(mapping) { query.append(("map", "\(target):\(column)")) }
        }
        return query
    }

    private static func parts(_ mapping: String) -> (target: Substring, column: Substring)? {
        guard let sign = mapping.firstIndex(of: "=") else { return nil }
        let target = mapping[..<sign]
        let column = mapping[mapping.index(after: sign)...]
        return target.isEmpty || column.isEmpty ? nil : (target, column)
    }
}
