import Kernel

/// Names the ids of users.
public enum UserSubject {}
/// A user's id.
public typealias UserID = TypedID<UserSubject>

/// What a user may do; as the brief names them, and `operator` for SREs.
public enum UserRole: String, Codable, Sendable, CaseIterable {
    case admin
    case `operator`
    case brandOwner = "brand_owner"
    case brandUser = "brand_user"
}

/// `POST /api/admin/users`.
public struct UserDraft: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case email, role, brand, password
    }

    public var email: String
    public var role: UserRole
    /// The brand's slug, for the two brand roles.
    public var brand: String?
    /// Minted and answered once when absent.
    public var password: String?

    public init(email: String, role: UserRole, brand: String? = nil, password: String? = nil) {
        self.email = email
        self.role = role
        self.brand = brand
        self.password = password
    }
}

/// A user as it is listed.
public struct UserView: Codable, Sendable {
    public var id: UserID
    public var email: String
    public var role: UserRole
    public var brand: String?
    public var lastLogin: Timestamp?
    public var createdAt: Timestamp

    public init(
        id: UserID, email: String, role: UserRole, brand: String?, lastLogin: Timestamp?, createdAt: Timestamp
    ) {
        self.id = id
        self.email = email
        self.role = role
        self.brand = brand
        self.lastLogin = lastLogin
        self.createdAt = createdAt
    }
}

/// The answer to a user's creation; `password` is there, this once, when it was minted.
public struct UserCreated: Codable, Sendable {
    public var user: UserView
    public var password: String?

    public init(user: UserView, password: String?) {
        self.user = user
        self.password = password
    }
}

/// `POST /api/auth/login`.
public struct LoginRequest: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case email, password
    }

    public var email: String
    public var password: String

    public init(email: String, password: String) {
        self.email = email
        self.password = password
    }
}

/// `POST /api/auth/refresh` and `POST /api/auth/logout`.
public struct RefreshRequest: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case refreshToken
    }

    public var refreshToken: String

    public init(refreshToken: String) { self.refreshToken = refreshToken }
}

/// The answer to a login or a refresh. A refresh token works once; the answer brings the next.
public struct TokenPair: Codable, Sendable {
    public var accessToken: String
    public var refreshToken: String
    /// Seconds until `accessToken` ends.
    public var expiresIn: Int

    public init(accessToken: String, refreshToken: String, expiresIn: Int) {
        self.accessToken = accessToken
        self.refreshToken = refreshToken
        self.expiresIn = expiresIn
    }
}

/// `POST /api/auth/brand-token`: a token for one brand's instance, for who may use that brand.
public struct BrandTokenRequest: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case brand
    }

    public var brand: String

    public init(brand: String) { self.brand = brand }
}

/// The answer to a `BrandTokenRequest`.
public struct BrandToken: Codable, Sendable {
    public var accessToken: String
    /// Seconds until it ends.
    public var expiresIn: Int
    /// Where the brand's API is: `<edge>/b/<slug>`.
    public var url: String

    public init(accessToken: String, expiresIn: Int, url: String) {
        self.accessToken = accessToken
        self.expiresIn = expiresIn
        self.url = url
    }
}

/// `GET /api/admin/platform`: where this installation is and what runs in it.
public struct PlatformView: Codable, Sendable {
    /// What the installation is for.
    public var environment: InstallationEnvironment
    /// The edge's base URL, such as `http://127.0.0.1:8080`.
    public var edge: String
    public var release: String
    /// The supporting services by name (`postgres`, `redis`, `nginx`), each `ready`, `starting`, `failed`.
    public var services: [String: String]

    public init(
        environment: InstallationEnvironment, edge: String, release: String, services: [String: String]
    ) {
        self.environment = environment
        self.edge = edge
        self.release = release
        self.services = services
    }
}

/// What an installation is for.
public enum InstallationEnvironment: String, Codable, Sendable, CaseIterable {
    case development, staging, production
}

/// `POST /api/admin/platform/clear`: removes every brand with all of its data. Refused on an installation for
/// production.
public struct PlatformClearing: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable { case confirm }

    /// The name of the installation's environment, since this cannot be taken back.
    public var confirm: String

    public init(confirm: String) { self.confirm = confirm }
}

/// The answer to `PlatformClearing`: brands whose deletion or purge was begun, and brands that are left for
/// another time, since an operation is changing them. A deleted brand is to be asked for once more.
public struct ClearingView: Codable, Sendable, Equatable {
    public var begun: [String]
    public var left: [String]

    public init(begun: [String], left: [String]) {
        self.begun = begun
        self.left = left
    }
}
