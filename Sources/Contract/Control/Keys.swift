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
}

/// `POST /api/admin/brands/:slug/keys`.
public struct KeyDraft: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case name, scopes, expiresAt, environment
    }

    public var name: String
    /// All of `KeyScope` when absent.
    public var scopes: [String]?
    /// Never when absent.
    public var expiresAt: Timestamp?
    /// `live` (the default) or `test`, whose events are kept and not counted.
    public var environment: String?

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
    public var createdAt: Timestamp
    public var expiresAt: Timestamp?
    public var revokedAt: Timestamp?

    public init(
        publicId: String, name: String, environment: String, scopes: [String], createdAt: Timestamp,
        expiresAt: Timestamp?, revokedAt: Timestamp?
    ) {
        self.publicId = publicId
        self.name = name
        self.environment = environment
        self.scopes = scopes
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
    }
}

/// The answer to a key's creation; `key` is shown this once.
public struct KeyCreated: Codable, Sendable {
    public var key: String
    public var view: KeyView

    public init(key: String, view: KeyView) {
        self.key = key
        self.view = view
    }
}
