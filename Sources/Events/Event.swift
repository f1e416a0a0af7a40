import Contract
import Kernel

/// One thing that happened, checked at the door and not yet placed on anybody.
///
/// An event is known by (`source`, `key`): it is accepted once, and a second one with the same key changes
/// nothing, whatever it says.
public struct Event: Sendable {
    /// The source of events that browser keys send. Anybody who reads a page's source can send them.
    public static let browserSource = "browser"

    /// Who sent it: `api`, `browser`, or the name of a vendor or a file's source.
    public var source: String
    /// The sender's id for it, unique within the source.
    public var key: String
    public var type: EventType
    public var occurredAt: Timestamp
    public var receivedAt: Timestamp
    /// Where it happened, such as `web`, `store`, `whatsapp`.
    public var channel: String
    /// As they were sent, at most one of a kind.
    public var identifiers: [SentIdentifier]
    /// A JSON object, as it was sent.
    public var properties: [UInt8]
    /// Kept and listed, neither folded nor counted.
    public var isTest: Bool

    public init(
        source: String, key: String, type: EventType, occurredAt: Timestamp, receivedAt: Timestamp,
        channel: String, identifiers: [SentIdentifier], properties: [UInt8], isTest: Bool
    ) {
        self.source = source
        self.key = key
        self.type = type
        self.occurredAt = occurredAt
        self.receivedAt = receivedAt
        self.channel = channel
        self.identifiers = identifiers
        self.properties = properties
        self.isTest = isTest
    }
}

/// A kind of identifier as it is sent, in the brief's names.
public enum IdentifierKind: String, Sendable, CaseIterable, Codable {
    case phone, email
    case loyaltyID = "loyalty_id"
    case whatsapp
    case upiID = "upi_id"
    case deviceID = "device_id"
    case cookieID = "cookie_id"
    case qrID = "qr_id"
    case cardLast4 = "card_last4"
}

/// An identifier as the sender wrote it; `Customers` makes of it what it stands for.
public struct SentIdentifier: Sendable, Hashable {
    public let kind: IdentifierKind
    public let value: String

    public init(kind: IdentifierKind, value: String) {
        self.kind = kind
        self.value = value
    }
}

/// What can happen. Every type is listed here and nowhere else.
public enum EventType: String, Sendable, CaseIterable, Codable {
    case purchase, refund, cancellation
    case pageView = "page_view"
    case productView = "product_view"
    case search
    case cartAdd = "cart_add"
    case cartAbandoned = "cart_abandoned"
    case wishlistAdd = "wishlist_add"
    case whatsappMessage = "whatsapp_message"
    case storeVisit = "store_visit"
    case identify
    case signOut = "sign_out"
    case custom

    /// Whether such an event says nothing without a person. A guest's purchase counts for the brand.
    public var needsIdentifier: Bool { !isAboutOrder }

    /// Whether orders are made of it.
    public var isAboutOrder: Bool {
        switch self {
        case .purchase, .refund, .cancellation: true
        case .pageView, .productView, .search, .cartAdd, .cartAbandoned, .wishlistAdd, .whatsappMessage,
            .storeVisit, .identify, .signOut, .custom:
            false
        }
    }

    /// Whether it is what visitors of a site do, which its pages may send with a browser key.
    public var isBehaviour: Bool {
        switch self {
        case .pageView, .productView, .search, .cartAdd, .cartAbandoned, .wishlistAdd, .identify, .signOut:
            true
        case .purchase, .refund, .cancellation, .whatsappMessage, .storeVisit, .custom: false
        }
    }
}

/// The limits of one event and of one request of events.
public enum EventLimits {
    /// Events in one request.
    public static let batchEvents = 1000
    /// Bytes of a request's body.
    public static let bodyBytes = 8 * 1024 * 1024
    /// Bytes of one event.
    public static let eventBytes = 64 * 1024
    /// Bytes of an identifier, of a key, of a channel.
    public static let identifierBytes = 256
    public static let keyBytes = 200
    public static let channelBytes = 64
    /// How far ahead of the receipt an event may say that it happened.
    public static let futureTolerance = Duration.seconds(24 * 3600)
    /// How long before the receipt an event of a browser key may have happened.
    public static let browserReach = Duration.seconds(7 * 86_400)
    /// The earliest instant that is believed: 1900-01-01.
    public static let earliest = Timestamp(year: 1900, month: 1, day: 1)!
}
