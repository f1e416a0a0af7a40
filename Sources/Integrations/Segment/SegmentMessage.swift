import Events
import Kernel

/// The six calls of the Segment spec.
public enum SegmentCall: String, Sendable, CaseIterable {
    case track, identify, page, screen, group, alias

    /// The call that a path names: by its word, or by its first letter as analytics.js does.
    public init?(path: some StringProtocol) {
        let found = SegmentCall.allCases.first { $0.rawValue == path || $0.rawValue.prefix(1) == path }
        guard let found else { return nil }
        self = found
    }
}

/// What the body of `/v1/batch` holds: messages, and what they have in common.
public struct SegmentBatch: Sendable {
    /// What is said once for all messages of a body.
    public struct Shared: Sendable {
        let sentAt: JSONText?
        let context: JSONText?

        /// Nothing.
        public static let none = Shared(sentAt: nil, context: nil)
    }

    public let messages: [JSONText]
    public let shared: Shared

    /// Other fields, such as `writeKey` and `integrations`, are passed over.
    ///
    /// - Throws: `Fault.invalid` unless there are messages, `Fault.tooLarge` when there are too many.
    public init(_ document: JSONText) throws(Fault) {
        let doing = SegmentReader.doing
        guard document.kind == .object else {
            throw Fault(.invalid, doing: doing, "expected an object with 'batch'")
        }
        let fields = SegmentFields(document)
        guard let batch = fields.value("batch"), batch.kind == .array else {
            throw Fault(.invalid, doing: doing, "expected an array of messages", field: "batch")
        }
        messages = Array(batch.elements.prefix(EventLimits.batchEvents + 1))
        guard !messages.isEmpty else {
            throw Fault(.invalid, doing: doing, "there are no messages", field: "batch")
        }
        guard messages.count <= EventLimits.batchEvents else {
            throw Fault(
                .tooLarge, doing: doing, "a batch has at most \(EventLimits.batchEvents) messages",
                field: "batch")
        }
        let context = fields.value("context")
        guard context?.bytes.count ?? 0 <= EventLimits.eventBytes else {
            throw Fault(
                .tooLarge, doing: doing, "it has more than \(EventLimits.eventBytes) bytes", field: "context")
        }
        shared = Shared(sentAt: fields.value("sentAt"), context: context)
    }
}

/// One message, taken apart.
struct SegmentMessage {
    let call: SegmentCall
    let fields: SegmentFields
    /// Where and how it was sent from; its own, or its batch's.
    let context: JSONText?
    /// When it happened, by the receiver's clock; on receipt when nil.
    let occurredAt: Timestamp?
    /// The field that said so.
    let timeField: String

    /// - Parameter call: what the path says; nil where the message's own `type` has to.
    /// - Throws: `Fault.invalid` with the field.
    init(
        _ text: JSONText, _ call: SegmentCall?, in shared: SegmentBatch.Shared, receivedAt: Timestamp
    ) throws(Fault) {
        guard text.kind == .object else {
            throw Fault(.invalid, doing: SegmentReader.doing, "expected a JSON object")
        }
        fields = SegmentFields(text)
        self.call = try SegmentMessage.call(fields, call)
        let own = try fields.object("context")
        context = own ?? (shared.context?.kind == .object ? shared.context : nil)
        timeField = fields.value("originalTimestamp") == nil ? "timestamp" : "originalTimestamp"
        let sentAt = try SegmentMessage.instant(fields.value("sentAt") ?? shared.sentAt, "sentAt")
        occurredAt = try SegmentMessage.instant(fields.value(timeField), timeField).map {
            SenderClock.corrected($0, sentAt: sentAt, receivedAt: receivedAt)
        }
    }

    private static func call(_ fields: SegmentFields, _ path: SegmentCall?) throws(Fault) -> SegmentCall {
        let known = SegmentCall.allCases.map(\.rawValue).joined(separator: ", ")
        guard let type = fields.value("type") else {
            if let path { return path }
            throw fields.fault("type", "a message has a type; the types are \(known)")
        }
        guard let name = type.string, let call = SegmentCall(rawValue: name.lowercased()) else {
            throw fields.fault("type", "there is no such type; the types are \(known)")
        }
        guard path == nil || path == call else {
            throw fields.fault("type", "this path takes '\((path ?? call).rawValue)'")
        }
        return call
    }

    private static func instant(_ value: JSONText?, _ name: String) throws(Fault) -> Timestamp? {
        guard let value else { return nil }
        guard let instant = value.string.flatMap({ Timestamp(rfc3339: $0) }) else {
            throw Fault(
                .invalid, doing: SegmentReader.doing,
                "expected an RFC 3339 date-time such as 2026-01-31T10:00:00Z", field: name)
        }
        return instant
    }

    /// Where it happened, where that can be told.
    var channel: String? {
        switch call {
        case .page: return "web"
        case .screen: return "mobile"
        default: break
        }
        if let channel = fields.word("channel", upTo: EventLimits.channelBytes) { return channel }
        let context = SegmentFields(context)
        if context.value("device")?.kind == .object { return "mobile" }
        let library = SegmentFields(context.value("library")).value("name")?.string?.lowercased() ?? ""
        return library.contains("analytics.js") || library.contains("javascript") ? "web" : nil
    }
}

/// The members of an object by name. `null` counts as absent; of a repeated name the last one counts, as in
/// every JSON parser of the senders.
struct SegmentFields {
    private var values: [String: JSONText] = [:]

    /// - Parameter object: what is no object has no fields.
    init(_ object: JSONText?) {
        guard let object else { return }
        for (name, value) in object.members { values[name] = value }
    }

    func value(_ name: String) -> JSONText? {
        guard let value = values[name], value.kind != .null else { return nil }
        return value
    }

    /// An object; nil when absent.
    func object(_ name: String) throws(Fault) -> JSONText? {
        guard let value = value(name) else { return nil }
        guard value.kind == .object else { throw fault(name, "expected an object") }
        return value
    }

    /// An id, which some write as a number; nil when absent or blank.
    func id(_ name: String) throws(Fault) -> String? {
        guard let value = value(name) else { return nil }
        if let number = value.number { return String(decoding: number, as: UTF8.self) }
        guard let text = value.string else { throw fault(name, "expected a string") }
        return text.allSatisfy(\.isWhitespace) ? nil : text
    }

    /// A text, or the literal of a number, of at most `limit` bytes, not blank and without control
    /// characters; nil for what is not that.
    func word(_ name: String, upTo limit: Int) -> String? {
        value(name)?.word(upTo: limit)
    }

    func fault(_ name: String, _ detail: String) -> Fault {
        Fault(.invalid, doing: SegmentReader.doing, detail, field: name)
    }
}

extension JSONText {
    /// See `SegmentFields.word`.
    func word(upTo limit: Int) -> String? {
        let text = number.map { String(decoding: $0, as: UTF8.self) } ?? string
        guard let text, text.utf8.count <= limit, !text.allSatisfy(\.isWhitespace),
            text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
        else { return nil }
        return text
    }
}
