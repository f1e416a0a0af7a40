import Kernel

/// An event that was accepted and could not be stored.
public struct DeadLetter: Sendable {
    /// What marks it beside the event's own fields.
    enum Mark {
        static let entry = "entry"
        static let reason = "reason"
        static let all: Set<String> = [entry, reason]
    }

    /// Its place among the dead letters, such as `1767225600000-0`. It is another after a replay in vain.
    public let id: String
    /// Why it could not be stored when it was last tried.
    public let reason: String
    public let refusedAt: Timestamp
    /// The event as it lay in the stream.
    let fields: [(String, [UInt8])]
    /// The event, where it can be read.
    public let event: Event?

    init(_ entry: EventStream.Entry) {
        let text = entry.fields.last { $0.0 == Mark.reason }.map { String(decoding: $0.1, as: UTF8.self) }
        id = entry.id
        reason = text ?? ""
        refusedAt = Timestamp(microseconds: Int64(clamping: entry.position.milliseconds) * 1000)
        fields = entry.fields.filter { !Mark.all.contains($0.0) }
        event = try? EventEnvelope.event(from: fields)
    }

    /// The text of a field; nil where there is none.
    func text(_ name: String) -> String? {
        fields.last { $0.0 == name }.map { String(decoding: $0.1, as: UTF8.self) }
    }
}

extension DeadLetter {
    /// As the API shows it: the event without what it carries, or all of it.
    ///
    /// Of one that cannot be read all is shown by its fields, as texts.
    public func json(whole: Bool) -> String {
        var members = [
            ("id", JSONText.quoted(id)), ("refusedAt", JSONText.quoted("\(refusedAt)")),
            ("reason", JSONText.quoted(reason)),
        ]
        if let event {
            members += event.described(whole: whole)
        } else if whole {
            let texts = fields.map { ($0.0, JSONText.quoted(String(decoding: $0.1, as: UTF8.self))) }
            members.append(("fields", JSONText.object(texts)))
        }
        return String(decoding: JSONText.object(members), as: UTF8.self)
    }
}

extension EventStream.Entry {
    /// As the API shows what waits; of one that cannot be read there is only its place.
    func json() -> String {
        let event = try? EventEnvelope.event(from: fields)
        let members = [("id", JSONText.quoted(id))] + (event?.described(whole: true) ?? [])
        return String(decoding: JSONText.object(members), as: UTF8.self)
    }
}

extension Event {
    /// The members of its JSON, by the names of the API.
    fileprivate func described(whole: Bool) -> [(String, [UInt8])] {
        let members = [
            ("eventId", JSONText.quoted(key)), ("source", JSONText.quoted(source)),
            ("type", JSONText.quoted(type.rawValue)), ("occurredAt", JSONText.quoted("\(occurredAt)")),
            ("receivedAt", JSONText.quoted("\(receivedAt)")), ("channel", JSONText.quoted(channel)),
            ("test", Array((isTest ? "true" : "false").utf8)),
        ]
        guard whole else { return members }
        return members + [
            ("identifiers", EventEnvelope.identifiersJSON(identifiers)), ("properties", properties),
        ]
    }
}
