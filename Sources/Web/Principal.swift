import Contract
import Kernel

/// Who is asking, after authentication.
public struct Principal: Sendable {
    /// How the caller proved who it is.
    public enum Kind: Sendable, Hashable {
        /// Opened the operator socket, which only the service's own user and root can.
        case local
        /// Carries a user token.
        case user(UserID)
        /// Carries an API key with this public id.
        case key(String)
    }

    public let kind: Kind
    /// The user's role; nil for a key.
    public let role: UserRole?
    /// What a key may do; users are judged by their role.
    public let scopes: Set<KeyScope>
    /// Whether the key is a test key, whose events are kept and not counted.
    public let isTest: Bool
    /// Whether the key is one that is published in web pages, and may only send events.
    public var isBrowser = false
    /// The slug of the one brand that a brand's user belongs to.
    public let brand: String?

    public init(
        kind: Kind, role: UserRole?, scopes: Set<KeyScope> = [], isTest: Bool = false, brand: String? = nil
    ) {
        self.kind = kind
        self.role = role
        self.scopes = scopes
        self.isTest = isTest
        self.brand = brand
    }

    /// The operator on this machine, who may do everything.
    public static let local = Principal(kind: .local, role: .admin)
}

extension Principal: CustomStringConvertible {
    /// For logs and audit: `local`, `user <id>`, `key <public id>`.
    public var description: String {
        switch kind {
        case .local: "local"
        case .user(let id): "user \(id)"
        case .key(let publicId): "key \(publicId)"
        }
    }
}
