import Kernel

/// The installation's own keys by their ids: `GET /api/admin/platform/keys`.
public struct PlatformKeysView: Codable, Sendable {
    /// A key pair of user tokens.
    public struct TokenKey: Codable, Sendable {
        public var id: String
        /// `signing`, `next` (known everywhere, and signs after the next rotation) or `former`.
        public var use: String

        public init(id: String, use: String) {
            self.id = id
            self.use = use
        }
    }

    /// The one that seals.
    public var masterKey: String
    /// The one before it, while something may be sealed under it.
    public var formerMasterKey: String?
    /// Instances with secrets that are not under the one that seals.
    public var sealedUnderFormer: Int
    /// Whether a service manager delivers the master key.
    public var isMasterKeyDelivered: Bool
    public var hasRecoveryPassphrase: Bool
    public var tokenKeys: [TokenKey]
    /// When the former token key is refused.
    public var formerTokenKeyUntil: Timestamp?

    public init(
        masterKey: String, formerMasterKey: String?, sealedUnderFormer: Int, isMasterKeyDelivered: Bool,
        hasRecoveryPassphrase: Bool, tokenKeys: [TokenKey], formerTokenKeyUntil: Timestamp?
    ) {
        self.masterKey = masterKey
        self.formerMasterKey = formerMasterKey
        self.sealedUnderFormer = sealedUnderFormer
        self.isMasterKeyDelivered = isMasterKeyDelivered
        self.hasRecoveryPassphrase = hasRecoveryPassphrase
        self.tokenKeys = tokenKeys
        self.formerTokenKeyUntil = formerTokenKeyUntil
    }
}

/// `POST /api/admin/platform/token-key/rotate`.
public struct TokenKeyRotation: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable { case overlapSeconds }

    /// How long the former key verifies; as long as a token lives when absent, and 0 drops it now.
    public var overlapSeconds: Int?

    public init(overlapSeconds: Int? = nil) { self.overlapSeconds = overlapSeconds }
}

/// The answer to `POST /api/admin/platform/recovery-passphrase/rotate`; shown this once.
public struct RecoveryPassphraseView: Codable, Sendable {
    public var passphrase: String

    public init(passphrase: String) { self.passphrase = passphrase }
}
