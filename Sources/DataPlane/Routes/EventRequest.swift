import Events
import Foundation
import HTTPTypes
import Hummingbird
import Kernel
import Web

/// Reads the bodies that events come in.
enum EventRequest {
    private static let doing = "accept the events"

    /// One JSON document.
    static func document(_ bytes: [UInt8]) throws -> JSONText {
        guard !bytes.isEmpty else { throw Fault(.invalid, doing: doing, "the body is empty") }
        do {
            return try JSONText.checking(bytes)
        } catch {
            throw Fault(.invalid, doing: doing, "\(error)")
        }
    }

    /// The events of a batch, as they were sent.
    struct Batch {
        let events: [Result<JSONText, any Error>]
        /// What the sender's clock showed, where it says so for all of them.
        var sentAt: Timestamp?
    }

    /// The events of a batch: `{"events": […]}`, or one a line (`application/x-ndjson`). A line that is not
    /// JSON spoils itself; a document that is not JSON spoils all.
    static func batch(_ bytes: [UInt8], contentType: String?) throws -> Batch {
        if isLines(contentType) {
            return Batch(
                events: try counted(lines(bytes)).map { line in Result { try document(Array(line)) } })
        }
        let (events, sentAt) = try elements(try document(bytes))
        return Batch(events: try counted(events).map { .success($0) }, sentAt: sentAt)
    }

    /// The events of a batch, when there are as many as one may have.
    private static func counted<Item>(_ events: some Sequence<Item>) throws -> [Item] {
        let counted = Array(events.prefix(EventLimits.batchEvents + 1))
        guard !counted.isEmpty else {
            throw Fault(.invalid, doing: doing, "there are no events", field: "events")
        }
        guard counted.count <= EventLimits.batchEvents else {
            throw Fault(
                .tooLarge, doing: doing, "a batch has at most \(EventLimits.batchEvents) events",
                field: "events")
        }
        return counted
    }

    private static func isLines(_ contentType: String?) -> Bool {
        guard let type = contentType?.split(whereSeparator: { $0 == ";" || $0 == " " }).first else {
            return false
        }
        return ["application/x-ndjson", "application/ndjson", "application/jsonl"].contains(type.lowercased())
    }

    private static func elements(_ document: JSONText) throws -> (JSONText.Elements, sentAt: Timestamp?) {
        guard document.kind == .object else {
            throw Fault(
                .invalid, doing: doing, "expected an object with 'events', or NDJSON with its content type")
        }
        var values: [String: JSONText] = [:]
        for (name, value) in document.members {
            guard ["events", "sentAt"].contains(name), values.updateValue(value, forKey: name) == nil else {
                throw Fault(
                    .invalid, doing: doing, "a batch has the fields 'events' and 'sentAt', once each",
                    field: name)
            }
        }
        guard let events = values["events"], events.kind == .array else {
            throw Fault(.invalid, doing: doing, "expected an array", field: "events")
        }
        guard let sentAt = values["sentAt"], sentAt.kind != .null else { return (events.elements, nil) }
        guard let instant = sentAt.string.flatMap({ Timestamp(rfc3339: $0) }) else {
            throw Fault(
                .invalid, doing: doing, "expected an RFC 3339 date-time such as 2026-01-31T10:00:00Z",
                field: "sentAt")
        }
        return (events.elements, instant)
    }

    /// The lines that are not blank.
    private static func lines(_ bytes: [UInt8]) -> some Sequence<ArraySlice<UInt8>> {
        bytes.split(separator: UInt8(ascii: "\n"))
            .lazy.filter { line in line.contains { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D } }
    }

    /// Whether the request prefers to wait for the commit: `wait` among its preferences (RFC 7240), with or
    /// without a number of seconds.
    static func prefersWaiting(_ request: Request) -> Bool {
        request.headers[values: .prefer].joined(separator: ",").split(separator: ",").contains { preference in
            let name = preference.prefix { $0 != "=" && $0 != ";" }
            return name.trimmingCharacters(in: .whitespaces).lowercased() == "wait"
        }
    }

    /// The request's `Idempotency-Key`, which seeds the keys of events that have none.
    static func idempotencyKey(_ request: Request) throws -> String? {
        guard let key = request.headers[.idempotencyKey] else { return nil }
        guard (1...128).contains(key.utf8.count), key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Fault(
                .invalid, doing: doing, "expected 1 to 128 printable characters", field: "Idempotency-Key")
        }
        return key
    }
}
