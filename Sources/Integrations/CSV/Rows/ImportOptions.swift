import Events
import Foundation
import Kernel

/// How a file is to be read: what the caller chose, checked, and kept with the operation.
public struct ImportOptions: Codable, Sendable, Equatable {
    /// A column of the file and what it becomes.
    public struct Mapping: Codable, Sendable, Equatable {
        /// What `ImportTarget` knows.
        public var target: String
        /// A name in the header, or a number from 1.
        public var column: String
    }

    /// What the rows are.
    public var kind: ImportKind
    /// Nil to find it out.
    public var encoding: TextEncoding?
    /// Nil to find it out.
    public var delimiter: String?
    public var hasHeader: Bool
    /// What each row of events is, where no column says it.
    public var type: String
    public var mappings: [Mapping]
    /// A pattern such as `yyyyMMdd`; nil to find it out for each value.
    public var dateFormat: String?
    /// The IANA name of the zone of dates that name none.
    public var timeZone: String
    /// Rows are known by their source, so that a file exported again brings only its new rows.
    public var source: String
    public var channel: String
    /// What the caller calls the file.
    public var fileName: String

    static let doing = "import the file"

    /// Reads the options of a request. Which columns there are is not looked at here.
    ///
    /// - Parameters:
    ///   - query: the values of a parameter, in order.
    ///   - timeZone: the brand's, which counts when none is given.
    /// - Throws: `Fault.invalid` that names the parameter.
    public init(query: (String) -> [String], timeZone: String) throws(Fault) {
        try ImportOptions.checkText(query)
        func one(_ name: String) -> String? { query(name).last.flatMap { $0.isEmpty ? nil : $0 } }
        kind = try ImportOptions.kind(one("kind"))
        encoding = try ImportOptions.encoding(one("encoding"))
        delimiter = try ImportOptions.delimiter(one("delimiter"))
        switch one("header") ?? "true" {
        case "true": hasHeader = true
        case "false": hasHeader = false
        default: throw ImportOptions.wrong("header", "expected true or false")
        }
        type = try ImportOptions.type(one("type"), of: kind)
        mappings = try ImportOptions.mappings(query("map"), of: kind)
        dateFormat = try ImportOptions.dateFormat(one("dateFormat"))
        self.timeZone = one("timeZone") ?? timeZone
        guard TimeZone(identifier: self.timeZone) != nil else {
            throw ImportOptions.wrong("timeZone", "there is no time zone '\(self.timeZone)'")
        }
        source = try ImportOptions.name(one("source") ?? kind.defaultSource, "source")
        guard !["api", SegmentReader.source, Event.browserSource].contains(source),
            !source.hasSuffix(EventReader.Sender.testSuffix)
        else {
            throw ImportOptions.wrong("source", "'\(source)' is kept for events that come by the API")
        }
        channel = try ImportOptions.name(one("channel") ?? "csv", "channel")
        fileName = one("fileName") ?? "upload.csv"
    }

    private static let parameters = [
        "kind", "encoding", "delimiter", "header", "type", "map", "dateFormat", "timeZone", "source",
        "channel", "fileName",
    ]
    /// Bytes of one parameter's value, and how many columns can be mapped.
    private static let valueBytes = 255
    private static let mappingCount = 100

    /// What is kept must be text that the database can hold.
    private static func checkText(_ query: (String) -> [String]) throws(Fault) {
        for name in parameters {
            let values = query(name)
            guard values.count <= mappingCount else {
                throw wrong(name, "it is there more than \(mappingCount) times")
            }
            for value in values {
                guard value.utf8.count <= valueBytes else {
                    throw wrong(name, "it has more than \(valueBytes) bytes")
                }
                guard value.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
                    throw wrong(name, "it has a control character")
                }
            }
        }
    }

    /// A week's year (`YYYY`) is no year: days around the turn of the year would be a year off.
    private static func dateFormat(_ text: String?) throws(Fault) -> String? {
        guard let text, text != "auto" else { return nil }
        guard ["yu", "ML", "d"].allSatisfy({ letters in text.contains(where: letters.contains) }) else {
            throw wrong(
                "dateFormat", "expected auto, or a pattern with a year, a month and a day, such as yyyyMMdd")
        }
        return text
    }

    private static func mappings(
        _ texts: [String], of kind: ImportKind
    ) throws(Fault) -> [Mapping] {
        var mappings: [Mapping] = []
        for text in texts {
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                throw wrong("map", "expected target:column, found '\(text)'")
            }
            guard let target = ImportTarget(String(parts[0]), of: kind)?.name else {
                throw wrong("map", "there is no target '\(parts[0])'; \(ImportTarget.all(of: kind))")
            }
            guard !mappings.contains(where: { $0.target == target }) else {
                throw wrong("map", "'\(target)' is mapped twice")
            }
            mappings.append(Mapping(target: target, column: String(parts[1])))
        }
        return mappings
    }

    /// Refuses a mapping that lacks what rows of this kind cannot be without.
    ///
    /// - Throws: `Fault.invalid` for `map`.
    func checkMapping() throws(Fault) {
        guard !mappings.isEmpty else {
            throw ImportOptions.wrong(
                "map", "say which column is what, such as map=\(kind.example); a preview suggests it")
        }
        for target in kind.required where !mappings.contains(where: { $0.target == target }) {
            throw ImportOptions.wrong("map", "no column is the \(target), which every row has")
        }
    }

    private static func kind(_ name: String?) throws(Fault) -> ImportKind {
        guard let name else { return .events }
        guard let kind = ImportKind(rawValue: name) else {
            throw wrong("kind", "expected \(ImportKind.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return kind
    }

    private static func encoding(_ name: String?) throws(Fault) -> TextEncoding? {
        guard let name, name != "auto" else { return nil }
        guard let encoding = TextEncoding(name: name) else {
            let known = TextEncoding.allCases.map(\.rawValue).joined(separator: ", ")
            throw wrong("encoding", "expected auto, \(known)")
        }
        return encoding
    }

    private static func delimiter(_ name: String?) throws(Fault) -> String? {
        guard let name, name != "auto" else { return nil }
        guard let delimiter = Delimiter(name) else {
            throw wrong(
                "delimiter", "expected auto, comma, semicolon, tab, pipe, whitespace or one ASCII character")
        }
        return delimiter.name
    }

    private static func type(_ name: String?, of kind: ImportKind) throws(Fault) -> String {
        guard kind == .events else {
            guard name == nil else { throw wrong("type", "only rows that are events have a type") }
            return EventType.identify.rawValue
        }
        let name = name ?? EventType.purchase.rawValue
        guard EventType(rawValue: name) != nil else {
            let known = EventType.allCases.map(\.rawValue).joined(separator: ", ")
            throw wrong("type", "there is no type '\(name)'; the types are \(known)")
        }
        return name
    }

    private static func name(_ text: String, _ field: String) throws(Fault) -> String {
        guard text.utf8.count <= 64, text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw wrong(field, "expected at most 64 bytes without spaces or control characters")
        }
        return text
    }

    static func wrong(_ field: String, _ detail: String) -> Fault {
        Fault(.invalid, doing: doing, detail, field: field)
    }
}
