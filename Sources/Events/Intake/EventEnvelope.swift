import Kernel

/// An event as it lies in the stream: one entry, flat fields, a version.
///
/// `identifiers` and `properties` are JSON objects and are passed on as bytes.
enum EventEnvelope {
    /// The version written. A reader refuses a newer one.
    static let version = 1

    /// Why an entry is not an event that this release can read.
    enum Unreadable: Error, CustomStringConvertible {
        case newer(version: String)
        case field(String)

        var description: String {
            switch self {
            case .newer(let version):
                "its envelope has version \(version), newer than \(EventEnvelope.version)"
            case .field(let name): "its field '\(name)' is missing or malformed"
            }
        }
    }

    static func fields(of event: Event) -> [(String, [UInt8])] {
        [
            ("v", Array(String(version).utf8)),
            ("source", Array(event.source.utf8)),
            ("key", Array(event.key.utf8)),
            ("type", Array(event.type.rawValue.utf8)),
            ("occurredAt", Array(String(event.occurredAt.microseconds).utf8)),
            ("receivedAt", Array(String(event.receivedAt.microseconds).utf8)),
            ("channel", Array(event.channel.utf8)),
            ("identifiers", identifiersJSON(event.identifiers)),
            ("properties", event.properties),
            ("test", [UInt8(ascii: event.isTest ? "1" : "0")]),
        ]
    }

    static func event(from fields: [(String, [UInt8])]) throws(Unreadable) -> Event {
        var values: [String: [UInt8]] = [:]
        for (name, value) in fields { values[name] = value }
        func text(_ name: String) throws(Unreadable) -> String {
            guard let bytes = values[name] else { throw .field(name) }
            return String(decoding: bytes, as: UTF8.self)
        }
        func instant(_ name: String) throws(Unreadable) -> Timestamp {
            guard let microseconds = Int64(try text(name)) else { throw .field(name) }
            return Timestamp(microseconds: microseconds)
        }
        let version = try text("v")
        guard let number = Int(version) else { throw .field("v") }
        guard number <= EventEnvelope.version else { throw .newer(version: version) }
        guard let type = EventType(rawValue: try text("type")) else { throw .field("type") }
        guard let sent = values["identifiers"], let identifiers = identifiers(sent) else {
            throw .field("identifiers")
        }
        guard let properties = values["properties"] else { throw .field("properties") }
        return Event(
            source: try text("source"), key: try text("key"), type: type,
            occurredAt: try instant("occurredAt"),
            receivedAt: try instant("receivedAt"), channel: try text("channel"), identifiers: identifiers,
            properties: properties, isTest: try text("test") == "1")
    }

    static func identifiersJSON(_ identifiers: [SentIdentifier]) -> [UInt8] {
        JSONText.object(identifiers.map { ($0.kind.rawValue, JSONText.quoted($0.value)) })
    }

    private static func identifiers(_ bytes: [UInt8]) -> [SentIdentifier]? {
        guard let object = try? JSONText.checking(bytes), object.kind == .object else { return nil }
        var identifiers: [SentIdentifier] = []
        for (name, value) in object.members {
            guard let kind = IdentifierKind(rawValue: name), let text = value.string else { return nil }
            identifiers.append(SentIdentifier(kind: kind, value: text))
        }
        return identifiers
    }
}
