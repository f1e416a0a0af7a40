import Kernel

/// What an API key may do at its brand's instance.
public enum KeyScope: String, Codable, Sendable, CaseIterable {
    /// Send events and import files.
    case eventsWrite = "events:write"
    /// Read events.
    case eventsRead = "events:read"
    /// Read profiles.
    case profilesRead = "profiles:read"
    /// Decide who is who: merge and unmerge profiles, block and share values.
    case profilesWrite = "profiles:write"
    /// Read totals and health.
    case statsRead = "stats:read"
    /// Read orders, and the rates at which they count.
    case ordersRead = "orders:read"
    /// Set these rates.
    case ordersWrite = "orders:write"
    /// Read the catalogue of products.
    case productsRead = "products:read"
    /// Set products, and remove them.
    case productsWrite = "products:write"
    /// Read how much of its products each store has.
    case inventoryRead = "inventory:read"
    /// Set that.
    case inventoryWrite = "inventory:write"
}

/// `POST /api/admin/brands/:slug/keys`.
public struct KeyDraft: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case name, scopes, expiresAt, environment, origins, eventsPerSecond, requestsPerSecond
    }

    public var name: String
    /// All of `KeyScope` when absent; a browser key has `events:write` alone.
    public var scopes: [String]?
    /// Never when absent.
    public var expiresAt: Timestamp?
    /// `live` (the default); `test`, whose events are kept and not counted; or `browser`.
    public var environment: String?
    /// The sites whose pages may use a browser key; those of the brand's settings when absent.
    public var origins: [String]?
    /// Events and requests in a second on average, where the key may bring less than the plan allows.
    public var eventsPerSecond: Int?
    public var requestsPerSecond: Int?

    public init(
        name: String, scopes: [String]? = nil, expiresAt: Timestamp? = nil, environment: String? = nil
    ) {
        self.name = name
        self.scopes = scopes
        self.expiresAt = expiresAt
        self.environment = environment
    }
}

/// A key as it is listed: never the key itself.
public struct KeyView: Codable, Sendable {
    /// The 12 characters by which a key is found and named.
    public var publicId: String
    public var name: String
    public var environment: String
    public var scopes: [String]
    /// Of a browser key that does not leave this to the brand's settings.
    public var origins: [String]?
    public var eventsPerSecond: Int?
    public var requestsPerSecond: Int?
    public var createdAt: Timestamp
    public var expiresAt: Timestamp?
    public var revokedAt: Timestamp?
    /// To the minute; nil when it was never used.
    public var lastUsedAt: Timestamp?
    /// The key that this one was replaced by, and the one that it has replaced.
    public var replacedBy: String?
    public var replaces: String?

    public init(publicId: String, name: String, environment: String, createdAt: Timestamp) {
        self.publicId = publicId
        self.name = name
        self.environment = environment
        self.createdAt = createdAt
        scopes = []
    }
}

/// The answer to a key's creation or rotation; `key` is shown this once.
public struct KeyCreated: Codable, Sendable {
    public var key: String
    public var view: KeyView

    public init(key: String, view: KeyView) {
        self.key = key
        self.view = view
    }
}

/// `POST /api/admin/brands/:slug/keys/:publicId/rotate`.
public struct APIKeyRotation: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case overlapSeconds
    }

    /// How long the key that is replaced goes on working: a day when absent, at most 30 days; 0 ends it now.
    public var overlapSeconds: Int?

    public init(overlapSeconds: Int? = nil) { self.overlapSeconds = overlapSeconds }
}

/// `POST /api/admin/keys/report-leak`.
public struct KeyLeakReport: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case text, source
    }

    /// Where keys were found: a text of any kind.
    public var text: String
    /// Who has found them, such as `github`; for the audit log.
    public var source: String?

    public init(text: String, source: String? = nil) {
        self.text = text
        self.source = source
    }
}

/// What has become of the keys in a leak report.
public struct KeyLeakAnswer: Codable, Sendable {
    /// A key that was found in the text.
    public struct Key: Codable, Sendable {
        /// What was done about a key.
        public enum Outcome: String, Codable, Sendable, CaseIterable {
            /// It works no more, since now or before.
            case revoked
            case revokedBefore = "revoked_before"
            /// It is meant to be seen by everybody, and goes on working.
            case published
            /// There is no such key, whatever its public id is.
            case unknown
            /// It says that it is another brand's, whose keys the caller does not manage.
            case foreign
        }

        public var publicId: String
        public var brand: String
        public var environment: String
        public var outcome: Outcome

        public init(publicId: String, brand: String, environment: String, outcome: Outcome) {
            self.publicId = publicId
            self.brand = brand
            self.environment = environment
            self.outcome = outcome
        }
    }

    /// In the order of the text, each once.
    public var keys: [Key]

    public init(keys: [Key]) { self.keys = keys }
}
