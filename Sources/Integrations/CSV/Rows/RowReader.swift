import Events
import Foundation
import Kernel
import Sealing

/// Makes events of rows: finds the columns by the header, and sends what it makes through the same door as
/// every event.
struct RowReader {
    /// What became of a row.
    enum Reading {
        case event(Event)
        /// A row before it has the same `eventId`.
        case repeated
        case rejected(String)
    }

    private let options: ImportOptions
    private let dates: ImportDates
    private let events: EventReader
    private let columns: RowColumns
    /// How many rows equal to a row came before it, by the hash of its fields.
    private var ordinals: [Digest: Int32] = [:]
    /// Where rows bring an `eventId` of their own: those that were read.
    private let eventIDColumn: Int?
    private var eventIDs: Set<Digest> = []

    /// What is remembered of a row's content or id: 16 bytes, since there are millions of rows.
    private struct Digest: Hashable {
        private let high: UInt64
        private let low: UInt64

        /// - Parameter hash: 16 bytes or more, of which the first 16 count.
        init(_ hash: some Collection<UInt8>) {
            high = hash.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
            low = hash.dropFirst(8).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    /// - Parameters:
    ///   - first: the header, or the first row of a file that has none.
    ///   - receivedAt: the same for every row of an import, also when it is resumed.
    /// - Throws: `Fault.invalid` when a mapped column is not there.
    init(options: ImportOptions, first: [[UInt8]], isTest: Bool, receivedAt: Timestamp) throws(Fault) {
        self.options = options
        columns = try RowColumns(options, first: first)
        eventIDColumn = columns.columns.first { $0.target == "eventId" }?.index
        dates = ImportDates(
            format: options.dateFormat, timeZone: TimeZone(identifier: options.timeZone) ?? .gmt)
        events = EventReader(sender: .init(source: options.source, isTest: isTest), receivedAt: receivedAt)
    }

    /// The event that a row is, or why it is none.
    mutating func read(_ row: DelimitedParser.Row) -> Reading {
        do {
            let texts = try columns.texts(of: row.fields)
            let hasEventID = eventIDColumn.map { !texts[$0].isEmpty } ?? false
            let key = hasEventID ? "" : key(of: row.fields)
            let event = try events.event(try JSONText.checking(try json(texts)), fallbackKey: key)
            if hasEventID, !eventIDs.insert(Digest(SHA256.hash(Array(event.key.utf8)))).inserted {
                return .repeated
            }
            return .event(event)
        } catch let rejection as RowRejection {
            return .rejected(rejection.reason)
        } catch let fault as Fault {
            return .rejected(RowRejection(fault).reason)
        } catch {
            return .rejected("\(error)")
        }
    }

    /// A row is known by its content and by how many equal rows came before it: a file that is exported again
    /// with rows appended adds only those, and rows that are equal to the byte stay distinct.
    private mutating func key(of fields: [[UInt8]]) -> String {
        let hash = SHA256.hash(columns.content(of: fields).joined(separator: [0x1F])).prefix(16)
        let digest = Digest(hash)
        let ordinal = ordinals[digest, default: 0]
        ordinals[digest] = ordinal + 1
        return "\(Hex.encode(hash))-\(ordinal)"
    }

    private func json(_ texts: [String]) throws(Fault) -> [UInt8] {
        var event: [(String, [UInt8])] = []
        var identifiers: [(String, [UInt8])] = []
        var properties: [(String, [UInt8])] = []
        var consent: [IdentifierKind: [(String, [UInt8])]] = [:]
        for (target, index) in columns.columns where !texts[index].isEmpty {
            let text = texts[index]
            if target == "occurredAt" {
                event.append((target, JSONText.quoted(try instant(text).description)))
            } else if let (kind, purpose) = ImportTarget.consent(target) {
                let isGranted = try RowReader.truth(text, target) ? "true" : "false"
                consent[kind, default: []].append((purpose, Array(isGranted.utf8)))
            } else if target.hasPrefix("properties.") {
                properties.append((String(target.dropFirst("properties.".count)), JSONText.quoted(text)))
            } else if IdentifierKind(rawValue: target) != nil {
                identifiers.append((target, JSONText.quoted(text)))
            } else {
                event.append((target, JSONText.quoted(text)))
            }
        }
        if !event.contains(where: { $0.0 == "type" }) {
            event.append(("type", JSONText.quoted(options.type)))
        }
        if !event.contains(where: { $0.0 == "channel" }) {
            event.append(("channel", JSONText.quoted(options.channel)))
        }
        if !consent.isEmpty {
            let said = consent.sorted { $0.key.rawValue < $1.key.rawValue }
                .map { ($0.key.rawValue, JSONText.object($0.value)) }
            properties.append((ConsentStatement.property, JSONText.object(said)))
        }
        event.append(("identifiers", JSONText.object(identifiers)))
        event.append(("properties", JSONText.object(properties)))
        return JSONText.object(event)
    }

    private func instant(_ text: String) throws(Fault) -> Timestamp {
        guard let instant = dates.instant(text) else {
            let expected = options.dateFormat ?? "a date such as 2026-01-31 or 2026-01-31T10:00:00Z"
            throw ImportOptions.wrong("occurredAt", "'\(text.prefix(40))' is not \(expected)")
        }
        return instant
    }

    /// `true` or `false`, in the words that files have for it.
    static func truth(_ text: String, _ target: String) throws(Fault) -> Bool {
        switch text.lowercased() {
        case "true", "yes", "y", "1": return true
        case "false", "no", "n", "0": return false
        default: throw ImportOptions.wrong(target, "expected true or false, yes or no, 1 or 0")
        }
    }
}
