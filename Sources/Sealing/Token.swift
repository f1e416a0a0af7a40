import FoundationEssentials
import Kernel

/// What a user token says about its bearer, under the names of RFC 7519.
public struct TokenClaims: Sendable, Equatable {
    /// The user's id.
    public let sub: String
    /// Who may accept the token: `control` or `brand:<slug>`.
    public let aud: String
    /// The user's role there.
    public let role: String
    /// From this instant on the token is refused; whole seconds.
    public let exp: Timestamp
    /// When it was made; whole seconds.
    public let iat: Timestamp
    /// The token's own id.
    public let jti: UUIDv7

    /// Claims of a new token with a new id, good for `lifetime` from `iat`; both are cut to whole seconds.
    public init(sub: String, aud: String, role: String, iat: Timestamp, lifetime: Duration) {
        let start = iat.microseconds / 1_000_000
        self.sub = sub
        self.aud = aud
        self.role = role
        self.iat = Timestamp(microseconds: start * 1_000_000)
        exp = Timestamp(microseconds: (start + lifetime.components.seconds) * 1_000_000)
        jti = UUIDv7(at: iat)
    }
}

extension TokenClaims: Codable {
    private enum Key: String, CodingKey { case sub, aud, role, exp, iat, jti }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        func instant(_ key: Key) throws -> Timestamp {
            let seconds = try container.decode(Int64.self, forKey: key)
            // Until the end of the year 9999.
            guard (0...253_402_300_799).contains(seconds) else {
                throw DecodingError.dataCorruptedError(
                    forKey: key, in: container, debugDescription: "expected seconds since 1970")
            }
            return Timestamp(microseconds: seconds * 1_000_000)
        }
        sub = try container.decode(String.self, forKey: .sub)
        aud = try container.decode(String.self, forKey: .aud)
        role = try container.decode(String.self, forKey: .role)
        exp = try instant(.exp)
        iat = try instant(.iat)
        jti = try container.decode(UUIDv7.self, forKey: .jti)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(sub, forKey: .sub)
        try container.encode(aud, forKey: .aud)
        try container.encode(role, forKey: .role)
        try container.encode(exp.microseconds / 1_000_000, forKey: .exp)
        try container.encode(iat.microseconds / 1_000_000, forKey: .iat)
        try container.encode(jti, forKey: .jti)
    }
}

/// Why a token is refused. A caller tells its bearer only that it is.
public enum TokenError: Error, Equatable {
    /// Not a compact JWS with our header and claims.
    case malformed
    /// Signed with a key that is not among the verifier's.
    case unknownKey
    /// The signature is not the named key's, or what it signs was changed.
    case badSignature
    /// Good, but for someone else.
    case wrongAudience
    /// Good once.
    case expired
}

/// Makes user tokens: compact JWS (RFC 7515) signed with Ed25519 (`EdDSA`, RFC 8037).
public struct TokenSigner: Sendable {
    private let key: SigningKey

    /// A signer whose tokens name `key` as theirs.
    public init(key: SigningKey) { self.key = key }

    /// The token that says `claims`.
    public func sign(_ claims: TokenClaims) throws -> String {
        let header = TokenHeader(kid: key.publicKey.id)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let parts = try [encoder.encode(header), encoder.encode(claims)]
        let signed = parts.map { Base64URL.encode($0) }.joined(separator: ".")
        return "\(signed).\(Base64URL.encode(key.sign(Array(signed.utf8))))"
    }
}

/// Accepts user tokens for one audience, by public keys alone: an instance checks them without asking anyone.
public struct TokenVerifier: Sendable {
    /// The longest token that is looked at, in bytes.
    public static let maximumLength = 4096

    /// The only `aud` that is accepted.
    public let audience: String
    private let keys: [String: VerifyingKey]

    /// `keys` are all that may sign: two while they are rotated.
    public init(keys: [VerifyingKey], audience: String) {
        self.keys = Dictionary(keys.map { ($0.id, $0) }) { first, _ in first }
        self.audience = audience
    }

    /// The claims of a token that is whole, signed by one of the keys, for this audience, and not expired
    /// at `now`.
    public func verify(_ token: some StringProtocol, at now: Timestamp) throws(TokenError) -> TokenClaims {
        guard token.utf8.count <= TokenVerifier.maximumLength else { throw .malformed }
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let signature = Base64URL.decode(parts[2]) else { throw .malformed }
        let header: TokenHeader = try decoded(parts[0])
        // The algorithm is fixed: a token does not choose how it is checked.
        guard header.alg == TokenHeader.algorithm, !header.isCritical else { throw .malformed }
        guard let key = keys[header.kid] else { throw .unknownKey }
        guard key.verify(signature, of: Array("\(parts[0]).\(parts[1])".utf8)) else { throw .badSignature }
        let claims: TokenClaims = try decoded(parts[1])
        guard claims.aud == audience else { throw .wrongAudience }
        guard now < claims.exp else { throw .expired }
        return claims
    }

    private func decoded<Part: Decodable>(_ text: some StringProtocol) throws(TokenError) -> Part {
        guard let bytes = Base64URL.decode(text),
            let part = try? JSONDecoder().decode(Part.self, from: Data(bytes))
        else { throw .malformed }
        return part
    }
}

private struct TokenHeader: Codable {
    static let algorithm = "EdDSA"

    let alg: String
    let kid: String
    var typ: String?
    /// Whether it says that something in it must be understood: none of that is.
    let isCritical: Bool

    private enum Key: String, CodingKey { case alg, kid, typ, crit }

    init(kid: String) {
        alg = TokenHeader.algorithm
        self.kid = kid
        typ = "JWT"
        isCritical = false
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        alg = try container.decode(String.self, forKey: .alg)
        kid = try container.decode(String.self, forKey: .kid)
        typ = try container.decodeIfPresent(String.self, forKey: .typ)
        isCritical = container.contains(.crit)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(alg, forKey: .alg)
        try container.encode(kid, forKey: .kid)
        try container.encodeIfPresent(typ, forKey: .typ)
    }
}
