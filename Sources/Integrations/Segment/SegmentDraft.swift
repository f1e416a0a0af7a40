import Events
import Kernel

/// An event as it is made of a message.
struct SegmentDraft {
    /// Properties that say what an order comes to: without one the event would say something else.
    private static let decisive: Set<String> = [
        "orderId", "total", "amount", "currency", "version", "updatedAt", "refundId",
    ]

    let message: SegmentMessage
    let identity: SegmentIdentity
    /// What the event is called when it is a custom one.
    let name: String
    private(set) var type: EventType
    private(set) var properties: SegmentProperties

    /// - Throws: `Fault.invalid` with the message's field.
    init(_ message: SegmentMessage, receivedAt: Timestamp) throws(Fault) {
        self.message = message
        let event = try SegmentDraft.event(of: message)
        let known = event.flatMap { SegmentCommerce(event: $0) }
        name = event ?? message.call.rawValue
        identity = try SegmentIdentity(message, isOfShop: known != nil)
        properties = try SegmentDraft.properties(of: message)
        switch message.call {
        case .identify, .alias: type = .identify
        case .page, .screen: type = .pageView
        case .group, .track: type = .custom
        }
        if let known {
            var filled = properties
            do {
                type = try known.fill(&filled, at: message.occurredAt ?? receivedAt)
                properties = filled
            } catch {
                note(why: "\(known.type.rawValue): \(error.reason)")
            }
        }
        if type == .custom { properties.fill("name", text: name) }
    }

    /// The name of the event that a message tracks; nil for the other calls.
    private static func event(of message: SegmentMessage) throws(Fault) -> String? {
        guard message.call == .track else { return nil }
        guard let value = message.fields.value("event"), let name = value.string,
            !name.allSatisfy(\.isWhitespace)
        else { throw message.fields.fault("event", "a message that tracks names its event") }
        return name
    }

    private static func properties(of message: SegmentMessage) throws(Fault) -> SegmentProperties {
        let fields = message.fields
        let traits = try fields.object("traits")
        var context = message.context
        var properties: SegmentProperties
        switch message.call {
        case .track, .page, .screen:
            properties = SegmentProperties(try fields.object("properties"))
        case .group:
            properties = SegmentProperties(traits)
            properties.complete("groupId", fields.value("groupId"))
        case .alias:
            properties = SegmentProperties(nil)
            properties.complete("previousId", fields.value("previousId"))
        case .identify:
            // RudderStack has the traits in the context, Segment beside it.
            properties = SegmentProperties(SegmentFields(context).value("traits"))
            if let traits {
                for (name, value) in traits.members { properties.replace(name, Array(value.bytes)) }
            }
            context = context.flatMap(SegmentDraft.withoutTraits)
        }
        if message.call == .page || message.call == .screen { complete(&properties, of: message) }
        if let context, context.members.contains(where: { _ in true }) {
            properties.fill("context", Array(context.bytes))
        }
        return properties
    }

    /// What a page says of itself, also where it is said elsewhere in the message.
    private static func complete(_ properties: inout SegmentProperties, of message: SegmentMessage) {
        for name in ["name", "category"] { properties.complete(name, message.fields.value(name)) }
        let page = SegmentFields(SegmentFields(message.context).value("page"))
        for name in ["url", "path", "title", "referrer", "search"] {
            properties.keepText(name)
            properties.complete(name, page.value(name))
            properties.keepText(name)
        }
        properties.keepText("name")
    }

    private static func withoutTraits(_ context: JSONText) -> JSONText? {
        let members = context.members.filter { $0.name != "traits" }.map { ($0.name, Array($0.value.bytes)) }
        return try? JSONText.checking(JSONText.object(members))
    }

    /// The event as a client of ours would send it.
    func json() throws(Fault) -> JSONText {
        var members: [(name: String, value: [UInt8])] = [
            ("type", JSONText.quoted(type.rawValue)), ("identifiers", identity.json),
            ("properties", properties.json),
        ]
        if let id = try message.fields.id("messageId") { members.append(("eventId", JSONText.quoted(id))) }
        if let instant = message.occurredAt {
            members.append(("occurredAt", JSONText.quoted(instant.description)))
        }
        if let channel = message.channel { members.append(("channel", JSONText.quoted(channel))) }
        do {
            return try JSONText.checking(JSONText.object(members))
        } catch {
            throw Fault(.invalid, doing: SegmentReader.doing, "\(error)")
        }
    }

    /// Makes it an event that `fault` is not about, and tells whether that can be: without the property that
    /// is wrong where the event is the same without it, else as a custom one.
    mutating func givesWay(to fault: Fault) -> Bool {
        guard let field = fault.field, field.hasPrefix("properties.") else { return false }
        let property = String(field.dropFirst("properties.".count).prefix { $0 != "." && $0 != "[" })
        if !SegmentDraft.decisive.contains(property), properties.setAside(property) { return true }
        guard type != .custom else { return false }
        note(why: "\(type.rawValue): \(field): \(fault.detail)")
        type = .custom
        properties.fill("name", text: name)
        return true
    }

    private mutating func note(why: String) {
        properties.fill("notMapped", text: why)
    }

    /// A fault about the event, told of the message.
    func named(_ fault: Fault) -> Fault {
        var (field, detail) = (fault.field, fault.detail)
        switch field {
        case "identifiers"?:
            (field, detail) = ("userId", "a message needs a userId or an anonymousId")
        case "eventId"?: field = "messageId"
        case "occurredAt"?: field = message.timeField
        case "type"? where message.call == .track: field = "event"
        case let path? where path.hasPrefix("identifiers."):
            let kind = IdentifierKind(rawValue: String(path.dropFirst("identifiers.".count)))
            field = kind.flatMap { identity.found[$0]?.origin } ?? path
        default: break
        }
        return Fault(fault.code, doing: SegmentReader.doing, detail, field: field, cause: fault.cause)
    }
}
