import COpenSSL
import Kernel

/// The private half of an Ed25519 key pair (RFC 8032): signs.
public struct SigningKey: Sendable, CustomStringConvertible, CustomReflectable {
    /// The bytes in a seed.
    public static let seedLength = 32

    /// The 32 bytes that the pair is made from: keep them sealed or in a credential.
    public let seed: [UInt8]
    /// The other half, for who checks.
    public let publicKey: VerifyingKey

    /// A new pair.
    public static func generate() -> SigningKey { SigningKey(checked: RandomBytes.make(seedLength)) }

    /// The pair of `seed`; nil unless it has 32 bytes.
    public init?(seed: [UInt8]) {
        guard seed.count == SigningKey.seedLength else { return nil }
        self.init(checked: seed)
    }

    private init(checked seed: [UInt8]) {
        self.seed = seed
        publicKey = VerifyingKey(checked: PrivateKey(seed: seed).publicBytes())
    }

    /// The signature of `message`, 64 bytes.
    public func sign(_ message: [UInt8]) -> [UInt8] { PrivateKey(seed: seed).sign(message) }

    public var description: String { "the private key of \(publicKey.id)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// The public half of an Ed25519 key pair: verifies.
public struct VerifyingKey: Sendable, Hashable, CustomStringConvertible {
    /// The 32 bytes of the key.
    public let bytes: [UInt8]
    /// The key's name in tokens: its JWK thumbprint (RFC 7638, RFC 8037).
    public let id: String

    /// The key of `bytes`; nil unless there are 32 of them.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.init(checked: bytes)
    }

    fileprivate init(checked bytes: [UInt8]) {
        self.bytes = bytes
        let jwk = #"{"crv":"Ed25519","kty":"OKP","x":"\#(Base64URL.encode(bytes))"}"#
        id = Base64URL.encode(SHA256.hash(jwk.utf8))
    }

    /// Whether `signature` is the pair's signature of `message`.
    public func verify(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        // Half of all byte strings are no point of the curve: such a key verifies nothing.
        PublicKey(bytes: bytes).verify(signature, of: message)
    }

    public var description: String { id }
}

private struct PrivateKey: ~Copyable {
    private let key: OpaquePointer

    init(seed: [UInt8]) {
        key = acquired(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count))
    }

    deinit { EVP_PKEY_free(key) }

    func publicBytes() -> [UInt8] {
        filled(32) { bytes in
            var count = bytes.count
            check(EVP_PKEY_get_raw_public_key(key, bytes.baseAddress, &count))
        }
    }

    func sign(_ message: [UInt8]) -> [UInt8] {
        let context = acquired(EVP_MD_CTX_new())
        defer { EVP_MD_CTX_free(context) }
        check(EVP_DigestSignInit(context, nil, nil, nil, key))
        return filled(64) { signature in
            var count = signature.count
            check(EVP_DigestSign(context, signature.baseAddress, &count, message, message.count))
        }
    }
}

private struct PublicKey: ~Copyable {
    private let key: OpaquePointer

    init(bytes: [UInt8]) {
        key = acquired(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, bytes, bytes.count))
    }

    deinit { EVP_PKEY_free(key) }

    func verify(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        let context = acquired(EVP_MD_CTX_new())
        defer { EVP_MD_CTX_free(context) }
        check(EVP_DigestVerifyInit(context, nil, nil, nil, key))
        return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }
}
