import Events

/// An identifier as the product knows it: a kind and a normalised value. `phone` and `whatsapp` are one kind.
public struct Identifier: Hashable, Sendable {
    /// What kinds there are, in the order of their priority.
    public enum Kind: String, Sendable, CaseIterable {
        case phone, email
        case loyaltyID = "loyalty_id"
        case upiID = "upi_id"
        case deviceID = "device_id"
        case cookieID = "cookie_id"
        case qrID = "qr_id"
        case cardLast4 = "card_last4"

        /// What an identifier of this kind can prove.
        public enum Strength: Sendable {
            /// Belongs to a person: ties and places.
            case strong
            /// A thing that is carried: places what nothing stronger places.
            case weak
            /// Shared by thousands: neither ties nor places.
            case evidence
        }

        public var strength: Strength {
            switch self {
            case .phone, .email, .loyaltyID, .upiID: .strong
            case .deviceID, .cookieID, .qrID: .weak
            case .cardLast4: .evidence
            }
        }

        /// What this kind adds to a profile's strength, which is the sum over the kinds that it has, each
        /// kind once: the more a kind says about who somebody is, the more it counts. A person of whom all
        /// strong kinds are known has 100; who is only a device, a cookie or a code has next to nothing.
        package var weight: Int {
            switch self {
            case .phone: 35
            case .email: 30
            case .loyaltyID: 20
            case .upiID: 15
            case .deviceID: 5
            case .cookieID: 3
            case .qrID: 2
            case .cardLast4: 0
            }
        }
    }

    public let kind: Kind
    public let value: String

    public init(kind: Kind, value: String) {
        self.kind = kind
        self.value = value
    }

    /// Values are compared by their bytes, as the table of identifiers does it: texts that Swift takes for
    /// equal, such as one letter in its two Unicode forms, are two values.
    public static func == (left: Identifier, right: Identifier) -> Bool {
        left.kind == right.kind && left.value.utf8.elementsEqual(right.value.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(kind)
        for byte in value.utf8 { hasher.combine(byte) }
    }
}

extension SentIdentifier {
    /// The kind that this identifier is of once it is normalised.
    var normalisedKind: Identifier.Kind {
        switch kind {
        case .phone, .whatsapp: .phone
        case .email: .email
        case .loyaltyID: .loyaltyID
        case .upiID: .upiID
        case .deviceID: .deviceID
        case .cookieID: .cookieID
        case .qrID: .qrID
        case .cardLast4: .cardLast4
        }
    }
}
