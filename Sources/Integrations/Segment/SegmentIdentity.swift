import Events
import Kernel

/// Whom a message is about, as identifiers of ours.
///
/// - A `userId` is the brand's own id of a customer: a `loyalty_id`, unless it looks like an e-mail address.
/// - An `anonymousId` is what a page or an app has made up for a visitor: a `cookie_id`, or for an app that
///   tells no id of its device a `device_id`.
/// - The `previousId` of an alias is what the `anonymousId` was before.
/// - The traits of a user may tell an address and a number. Those of a group are not the user's. Nor is an
///   address among the properties of just any event, which may be of somebody who was invited: only in the
///   events of a shop it is the customer's.
///
/// Of each kind the first counts. What does not become an identifier is kept in the properties.
struct SegmentIdentity {
    /// An identifier, and the field of the message that it stood in.
    struct Found: Equatable {
        let value: String
        let origin: String
    }

    private(set) var found: [IdentifierKind: Found] = [:]

    /// - Throws: `Fault.invalid` where an id is no text.
    init(_ message: SegmentMessage, isOfShop: Bool) throws(Fault) {
        let fields = message.fields
        let context = SegmentFields(message.context)
        let device = context.value("device").map { SegmentFields($0) }
        let deviceID = device?.word("id", upTo: EventLimits.identifierBytes)
        let carried: IdentifierKind = device != nil && deviceID == nil ? .deviceID : .cookieID

        add(try fields.id("userId"), "userId", or: .loyaltyID)
        if message.call == .alias {
            add(try fields.id("previousId"), "previousId", or: carried)
        }
        add(deviceID, .deviceID, "context.device.id")
        add(try fields.id("anonymousId"), carried, "anonymousId")

        let traits = message.call == .group ? nil : fields.value("traits")
        for (place, object) in [("traits", traits), ("context.traits", context.value("traits"))] {
            addContacts(of: SegmentFields(object), place)
        }
        if isOfShop { addContacts(of: SegmentFields(fields.value("properties")), "properties") }
    }

    /// The identifiers as a JSON object.
    var json: [UInt8] {
        JSONText.object(
            found.sorted { $0.key.rawValue < $1.key.rawValue }.map {
                ($0.key.rawValue, JSONText.quoted($0.value.value))
            })
    }

    /// Whether a text has the look of an e-mail address. Whether it is one is decided with the others.
    static func looksLikeEmail(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && !parts[0].isEmpty && !parts[1].isEmpty && !text.contains(" ")
    }

    private mutating func addContacts(of fields: SegmentFields, _ place: String) {
        let email = fields.word("email", upTo: EventLimits.identifierBytes)
        add(email.flatMap { SegmentIdentity.looksLikeEmail($0) ? $0 : nil }, .email, "\(place).email")
        let phone = fields.word("phone", upTo: EventLimits.identifierBytes)
        add(phone.flatMap { $0.contains(where: \.isNumber) ? $0 : nil }, .phone, "\(place).phone")
    }

    /// An id that may be an address in disguise.
    private mutating func add(_ id: String?, _ origin: String, or kind: IdentifierKind) {
        guard let id else { return }
        let isEmail = SegmentIdentity.looksLikeEmail(id) && found[.email] == nil
        add(id, isEmail ? .email : kind, origin)
    }

    private mutating func add(_ value: String?, _ kind: IdentifierKind, _ origin: String) {
        guard let value, found[kind] == nil else { return }
        found[kind] = Found(value: value, origin: origin)
    }
}
