/// What a brand says of itself and how it is served: of a version in the control plane, and, within what its
/// plan allows, projected into `brand_state.settings`.
public struct BrandSettings: Codable, Sendable, Equatable {
    public var name: String
    public var domain: String?
    /// One of `Industry`.
    public var industry: String?
    /// ISO 3166-1 alpha-2.
    public var country: String
    /// An IANA name.
    public var timeZone: String
    /// ISO 4217.
    public var currency: String
    /// Whom the platform writes to about the brand.
    public var contactEmail: String?
    /// E.164.
    public var contactPhone: String?
    /// How long raw events are kept; as long as the plan says when absent.
    public var retentionDays: Int?
    /// What is switched on or off, by `BrandFeature`; as the plan says where it is not named.
    public var features: [String: Bool]?
    /// The sites whose pages may use the brand's browser keys, where a key does not say itself.
    public var origins: [String]?

    public init(name: String, country: String, timeZone: String, currency: String) {
        self.name = name
        self.country = country
        self.timeZone = timeZone
        self.currency = currency
    }
}

/// A part of the product that a brand can have or not.
public enum BrandFeature: String, Codable, Sendable, CaseIterable {
    case analytics, attribution, automations, campaigns, journeys, predictions, recommendations, segments
}

/// What a brand sells.
public enum Industry: String, Codable, Sendable, CaseIterable {
    case apparel, automotive, baby, beauty, books, electronics, entertainment, fitness, food, footwear
    case furniture, gifts, grocery, health, home, jewelry, luxury, music, office, pets, pharmacy, retail
    case restaurants, services, sports, toys, travel, other
}
