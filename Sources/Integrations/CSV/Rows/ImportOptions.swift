import Events
import Foundation
import Kernel

/// How a file is to be read: what the caller chose, checked, and kept with the operation.
public struct ImportOptions: Codable, Sendable, Equatable {
    /// A column of the file and what it becomes.
    public struct Mapping: Codable, Sendable, Equatable {
        /// `eventId`, `type`, `occurredAt`, `channel`, a kind of identifier, or a property
        /// (`properties.<name>`; those of `shortProperties` may be written without it).
        public var target: String
        /// A name in the header, or a number from 1.
        public var column: String
    }

    public var delimiter: String
    public var hasHeader: Bool
    /// What each row is, where no column says it.
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
    /// Properties that may be mapped without their prefix.
    private static let shortProperties: Set<String> = [
        "orderId", "total", "currency", "quantity", "refunded", "cancelled", "amount", "refundId",
        "productId",
    ]
    private static let eventFields: Set<String> = ["eventId", "type", "occurredAt", "channel"]

    /// Reads the options of a request.
    ///
    /// - Parameters:
    ///   - query: the values of a parameter, in order.
    ///   - timeZone: the brand's, which counts when none is given.
    /// - Throws: `Fault.invalid` that names the parameter.
    public init(query: (String) -> [String], timeZone: String) throws(Fault) {
        try ImportOptions.checkText(query)
        func one(_ name: String) -> String? { query(name).last.flatMap { $0.isEmpty ? nil : $0 } }
        delimiter = one("delimiter") ?? "comma"
        guard Delimiter(delimiter) != nil else {
            throw ImportOptions.wrong(
                "delimiter", "expected comma, semicolon, tab, pipe, whitespace or one ASCII character")
        }
        switch one("header") ?? "true" {
        case "true": hasHeader = true
        case "false": hasHeader = false
        default: throw ImportOptions.wrong("header", "expected true or false")
        }
        type = one("type") ?? EventType.purchase.rawValue
        guard EventType(rawValue: type) != nil else {
            let known = EventType.allCases.map(\.rawValue).joined(separator: ", ")
            throw ImportOptions.wrong("type", "there is no type '\(type)'; the types are \(known)")
        }
        mappings = try ImportOptions.mappings(query("map"))
        dateFormat = try ImportOptions.dateFormat(one("dateFormat"))
        self.timeZone = one("timeZone") ?? timeZone
        guard TimeZone(identifier: self.timeZone) != nil else {
            throw ImportOptions.wrong("timeZone", "there is no time zone '\(self.timeZone)'")
        }
        source = try ImportOptions.name(one("source") ?? "csv", "source")
        guard !["api", SegmentReader.source, Event.browserSource].contains(source),
            !source.hasSuffix(EventReader.Sender.testSuffix)
        else {
            throw ImportOptions.wrong("source", "'\(source)' is kept for events that come by the API")
        }
        channel = try ImportOptions.name(one("channel") ?? "csv", "channel")
        fileName = one("fileName") ?? "upload.csv"
    }

    private static let parameters = [
        "delimiter", "header", "type", "map", "dateFormat", "timeZone", "source", "channel", "fileName",
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

    private static func mappings(_ texts: [String]) throws(Fault) -> [Mapping] {
        guard !texts.isEmpty else {
            throw wrong("map", "say which column is what, such as map=email:customer_email")
        }
        var mappings: [Mapping] = []
        for text in texts {
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                throw wrong("map", "expected target:column, found '\(text)'")
            }
            let target = try target(String(parts[0]))
            guard !mappings.contains(where: { $0.target == target }) else {
                throw wrong("map", "'\(target)' is mapped twice")
            }
            mappings.append(Mapping(target: target, column: String(parts[1])))
        }
        return mappings
    }

    private static func target(_ text: String) throws(Fault) -> String {
        if shortProperties.contains(text) { return "properties.\(text)" }
        if eventFields.contains(text) || IdentifierKind(rawValue: text) != nil { return text }
        if text.hasPrefix("properties."), text.utf8.count > "properties.".utf8.count { return text }
        let known = eventFields.sorted() + shortProperties.sorted() + IdentifierKind.allCases.map(\.rawValue)
        throw wrong(
            "map", "there is no target '\(text)'; use properties.<name> or \(known.joined(separator: ", "))")
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
