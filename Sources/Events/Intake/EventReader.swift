import Kernel

/// Reads one event as a client sends it, and says precisely what is wrong with one that is not acceptable.
public struct EventReader: Sendable {
    /// Whose events these are. Test keys have a source of their own, so that what was tried with one can be
    /// sent in earnest with the same event ids.
    public struct Sender: Sendable {
        /// What ends the source of events of test keys.
        public static let testSuffix = ".test"

        let source: String
        let isTest: Bool

        public init(source: String, isTest: Bool) {
            self.source = isTest ? source + Sender.testSuffix : source
            self.isTest = isTest
        }

        /// Whoever has sent an event with this very source before.
        init(exactly source: String, isTest: Bool) {
            self.source = source
            self.isTest = isTest
        }

        /// Whoever has a browser key: only behaviour, and nothing long ago.
        public static let browser = Sender(source: Event.browserSource, isTest: false)

        var isBrowser: Bool { source == Event.browserSource }
    }

    /// What begins the key of an event that is known by its request's `Idempotency-Key`; no `eventId` does.
    static let seededPrefix = "idempotency:"

    /// The key of the event at `index` of a request with this `Idempotency-Key`.
    public static func key(seed: String, index: Int) -> String { "\(seededPrefix)\(seed):\(index)" }

    static let doing = "accept the event"
    private static let fields: Set<String> = [
        "eventId", "type", "occurredAt", "sentAt", "channel", "identifiers", "properties",
    ]

    private let sender: Sender
    private let receivedAt: Timestamp
    private let sentAt: Timestamp?

    /// - Parameter sentAt: what the sender's clock showed when it sent them all.
    public init(sender: Sender, receivedAt: Timestamp, sentAt: Timestamp? = nil) {
        self.sender = sender
        self.receivedAt = receivedAt
        self.sentAt = sentAt
    }

    /// The event in `text`. One without an `eventId` is known by `fallbackKey`.
    ///
    /// - Throws: `Fault.invalid` with the field.
    public func event(_ text: JSONText, fallbackKey: @autoclosure () -> String) throws(Fault) -> Event {
        guard text.kind == .object else {
            throw Fault(.invalid, doing: EventReader.doing, "expected a JSON object")
        }
        guard text.range.count <= EventLimits.eventBytes else {
            throw Fault(
                .tooLarge, doing: EventReader.doing, "the event has more than \(EventLimits.eventBytes) bytes"
            )
        }
        let fields = JSONFields(text, under: nil, doing: EventReader.doing)
        if let repeated = fields.repeated { throw fields.fault(repeated, "it is there twice") }
        if let unknown = fields.names.filter({ !EventReader.fields.contains($0) }).min() {
            throw fields.fault(unknown, "an event has no such field; keep your own in 'properties'")
        }
        let type = try type(fields)
        let identifiers = try identifiers(fields)
        if type.needsIdentifier, identifiers.isEmpty {
            throw fields.fault(
                "identifiers", "an event of type '\(type.rawValue)' needs at least one identifier")
        }
        return Event(
            source: sender.source,
            key: try eventID(fields) ?? fallbackKey(),
            type: type, occurredAt: try occurredAt(fields), receivedAt: receivedAt,
            channel: try fields.text("channel", upTo: EventLimits.channelBytes) ?? "api",
            identifiers: identifiers, properties: try properties(fields, of: type), isTest: sender.isTest)
    }

    private func eventID(_ fields: JSONFields) throws(Fault) -> String? {
        guard let id = try fields.text("eventId", upTo: EventLimits.keyBytes) else { return nil }
        guard !id.hasPrefix(EventReader.seededPrefix) else {
            throw fields.fault("eventId", "an event's id does not begin with '\(EventReader.seededPrefix)'")
        }
        return id
    }

    private func type(_ fields: JSONFields) throws(Fault) -> EventType {
        guard let name = try fields.text("type", upTo: 64) else {
            throw fields.fault("type", "an event has a type")
        }
        guard let type = EventType(rawValue: name) else {
            let known = EventType.allCases.map(\.rawValue).joined(separator: ", ")
            throw fields.fault("type", "there is no type '\(name)'; the types are \(known)")
        }
        guard !sender.isBrowser || type.isBehaviour else {
            let allowed = EventType.allCases.filter(\.isBehaviour).map(\.rawValue).joined(separator: ", ")
            throw fields.fault("type", "a browser key may send only \(allowed)")
        }
        return type
    }

    /// When it happened by our clock. A sender whose clock may be wrong says what it shows (`sentAt`).
    private func occurredAt(_ fields: JSONFields) throws(Fault) -> Timestamp {
        let sent = try fields.instant("sentAt") ?? sentAt
        guard let said = try fields.instant("occurredAt") else { return receivedAt }
        let instant = SenderClock.corrected(said, sentAt: sent, receivedAt: receivedAt)
        if let broken = EventReader.disbelief(in: instant, receivedAt: receivedAt) {
            throw fields.fault("occurredAt", broken)
        }
        guard !sender.isBrowser || instant >= receivedAt - EventLimits.browserReach else {
            throw fields.fault("occurredAt", "it lies more than 7 days back, for a browser key")
        }
        return instant
    }

    /// Why an instant is not believed as the time of an event, or nil.
    public static func disbelief(in instant: Timestamp, receivedAt: Timestamp) -> String? {
        if instant < EventLimits.earliest { return "it lies before 1900" }
        if instant > receivedAt + EventLimits.futureTolerance { return "it lies more than a day ahead" }
        return nil
    }

    private func identifiers(_ fields: JSONFields) throws(Fault) -> [SentIdentifier] {
        guard let object = fields.value("identifiers") else { return [] }
        guard object.kind == .object else { throw fields.fault("identifiers", "expected an object") }
        let members = JSONFields(object, under: "identifiers", doing: EventReader.doing)
        if let repeated = members.repeated { throw members.fault(repeated, "it is there twice") }
        var identifiers: [SentIdentifier] = []
        for name in members.names.sorted() {
            guard let kind = IdentifierKind(rawValue: name) else {
                let known = IdentifierKind.allCases.map(\.rawValue).joined(separator: ", ")
                throw members.fault(name, "there is no such identifier; the kinds are \(known)")
            }
            guard let text = try members.text(name, upTo: EventLimits.identifierBytes) else { continue }
            guard !text.allSatisfy(\.isWhitespace) else { throw members.fault(name, "it is empty") }
            identifiers.append(SentIdentifier(kind: kind, value: text))
        }
        return identifiers
    }

    private func properties(_ fields: JSONFields, of type: EventType) throws(Fault) -> [UInt8] {
        guard let object = fields.value("properties") else {
            try EventCatalogue.check(nil, of: type, doing: EventReader.doing)
            return Array("{}".utf8)
        }
        guard object.kind == .object else { throw fields.fault("properties", "expected an object") }
        try EventCatalogue.check(object, of: type, doing: EventReader.doing)
        _ = try ConsentStatement.all(in: object, doing: EventReader.doing)
        return Array(object.bytes)
    }
}
