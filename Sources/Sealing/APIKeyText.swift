import Kernel

/// An API key as its holder writes it, taken apart and found well formed:
/// `ci_<environment>_<slug>_<public id>_<secret><check>`.
///
/// The public id (12 base62 characters) finds the key's record; the secret (24) proves it; the check is the
/// CRC-32 of all before it as 6 base62 digits, so that a mistyped key is told from a wrong one without a
/// look-up. Whether the key is one of ours, only comparing `hash` with the stored one tells.
public struct APIKeyText: Sendable {
    /// What a key may touch; the word is part of the key.
    public enum Environment: String, Sendable, Codable, CaseIterable {
        /// A brand's own data, or what it tries out.
        case live, test
        /// A key that is published in web pages: it may only write behaviour events.
        case browser = "pub"

        /// What people and tables call it.
        public var name: String { self == .browser ? "browser" : rawValue }
    }

    /// A new key: `key` is shown once, `hash` and `publicId` are stored.
    public struct Minted: Sendable {
        /// What finds the key's record.
        public let publicId: String
        /// The whole key, for its holder.
        public let key: Secret
        /// The SHA-256 of the whole key.
        public let hash: [UInt8]
    }

    /// The brand that the key says it is of.
    public let slug: Slug
    /// What finds the key's record.
    public let publicId: String
    /// What the key may touch.
    public let environment: Environment
    /// The SHA-256 of the whole key; compare it with `constantTimeEquals`.
    public let hash: [UInt8]

    static let publicIdLength = 12
    static let secretLength = 24
    static let checkLength = 6
    /// The longest key there can be: a slug has at most 32 characters.
    static let maximumLength = 90

    /// Makes a key of `slug` that nobody has had.
    public static func mint(_ slug: Slug, _ environment: Environment) -> Minted {
        let publicId = RandomText.base62(publicIdLength)
        let body = "ci_\(environment.rawValue)_\(slug)_\(publicId)_\(RandomText.base62(secretLength))"
        let key = body + Base62.sixDigits(CRC32.of(body.utf8))
        return Minted(publicId: publicId, key: Secret(key), hash: SHA256.hash(key.utf8))
    }

    /// Takes `text` apart; nil when the check or any part of it is malformed.
    public static func parse(_ text: some StringProtocol) -> APIKeyText? {
        let text = String(text)
        guard text.utf8.count <= maximumLength, hasValidCheck(text) else { return nil }
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0] == "ci",
            let environment = Environment(rawValue: String(parts[1])),
            let slug = try? Slug(parts[2]),
            Base62.isText(parts[3], count: publicIdLength),
            Base62.isText(parts[4], count: secretLength + checkLength)
        else { return nil }
        return APIKeyText(
            slug: slug, publicId: String(parts[3]), environment: environment, hash: SHA256.hash(text.utf8))
    }

    private static func hasValidCheck(_ text: String) -> Bool {
        let bytes = text.utf8
        guard bytes.count > checkLength else { return false }
        let check = Base62.sixDigits(CRC32.of(bytes.dropLast(checkLength)))
        return bytes.suffix(checkLength).elementsEqual(check.utf8)
    }
}

/// CRC-32 as in Ethernet, zip and PNG (reflected polynomial EDB88320).
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }

    static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(UInt32.max) { value, byte in
            table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] ^ value >> 8
        }
    }
}
