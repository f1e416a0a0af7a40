import COpenSSL

/// SHA-256 (FIPS 180-4): of bytes at hand with `hash`, or of a stream with `update` and `finish`.
public struct SHA256: ~Copyable {
    /// The bytes in a hash.
    public static let length = 32

    private let context: OpaquePointer

    /// A hash of nothing yet.
    public init() {
        context = acquired(EVP_MD_CTX_new())
        check(EVP_DigestInit_ex(context, EVP_sha256(), nil))
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds the next piece of what is hashed.
    public mutating func update(_ bytes: some Sequence<UInt8>) {
        withBytes(of: bytes) { check(EVP_DigestUpdate(context, $0.baseAddress, $0.count)) }
    }

    /// The hash of all pieces, 32 bytes.
    public consuming func finish() -> [UInt8] {
        filled(SHA256.length) { check(EVP_DigestFinal_ex(context, $0.baseAddress, nil)) }
    }

    /// The hash of `bytes`, 32 bytes.
    public static func hash(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var hash = SHA256()
        hash.update(bytes)
        return hash.finish()
    }
}
