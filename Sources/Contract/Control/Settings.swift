import Kernel

/// `PATCH /api/admin/brands/:slug`: a JSON merge patch (RFC 7396) of `BrandSettings`. What is absent stays as
/// it is; null takes away what a brand may lack. Answers 202 with an `OperationView`, as every change of a
/// brand does.
public struct BrandChange: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case name, domain, industry, country, timeZone, currency, contactEmail, contactPhone, retentionDays
        case features, origins, version
    }

    /// The display name; the slug never changes.
    public var name: String?
    /// Empty, as null in JSON, to have none.
    public var domain: String?
    /// One of `Industry`; empty to have none.
    public var industry: String?
    /// ISO 3166-1 alpha-2.
    public var country: String?
    /// An IANA name, for reports.
    public var timeZone: String?
    /// ISO 4217.
    public var currency: String?
    /// Empty to have none.
    public var contactEmail: String?
    /// Empty to have none.
    public var contactPhone: String?
    /// 0, as null in JSON, for what the plan says.
    public var retentionDays: Int?
    /// On or off by `BrandFeature`; nil for what the plan says. Others stay as they are.
    public var features: [String: Bool?]?
    /// All of them; empty to have none.
    public var origins: [String]?
    /// The version that the change is of; refused when that is no longer the present one.
    public var version: Int64?

    public init(
        name: String? = nil, domain: String? = nil, industry: String? = nil, timeZone: String? = nil,
        version: Int64? = nil
    ) {
        self.name = name
        self.domain = domain
        self.industry = industry
        self.timeZone = timeZone
        self.version = version
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        /// Null where it may be is `none`; elsewhere it is refused.
        func value<Value: Decodable>(_ key: CodingKeys, none: Value? = nil) throws -> Value? {
            guard container.contains(key) else { return nil }
            if let none, try container.decodeNil(forKey: key) { return none }
            return try container.decode(Value.self, forKey: key)
        }
        name = try value(.name)
        domain = try value(.domain, none: "")
        industry = try value(.industry, none: "")
        country = try value(.country)
        timeZone = try value(.timeZone)
        currency = try value(.currency)
        contactEmail = try value(.contactEmail, none: "")
        contactPhone = try value(.contactPhone, none: "")
        retentionDays = try value(.retentionDays, none: 0)
        features = try value(.features)
        origins = try value(.origins, none: [])
        version = try value(.version)
    }
}

/// `GET /api/admin/brands/:slug/settings`.
public struct BrandSettingsView: Codable, Sendable {
    /// Rises with every change.
    public var version: Int64
    public var settings: BrandSettings

    public init(version: Int64, settings: BrandSettings) {
        self.version = version
        self.settings = settings
    }
}

/// One change of a brand's settings: `GET /api/admin/brands/:slug/settings/history`.
public struct BrandSettingsVersion: Codable, Sendable {
    /// The version that it made.
    public var version: Int64
    public var at: Timestamp
    /// `local`, or `user <id>`.
    public var actor: String
    public var operation: OperationID
    public var before: BrandSettings
    public var after: BrandSettings

    public init(
        version: Int64, at: Timestamp, actor: String, operation: OperationID, before: BrandSettings,
        after: BrandSettings
    ) {
        self.version = version
        self.at = at
        self.actor = actor
        self.operation = operation
        self.before = before
        self.after = after
    }
}

/// `POST /api/admin/brands/:slug/settings/revert`: the settings are again as `version` made them.
public struct SettingsRevert: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable { case version }

    public var version: Int64

    public init(version: Int64) { self.version = version }
}
