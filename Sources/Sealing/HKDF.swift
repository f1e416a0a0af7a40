import COpenSSL

/// HKDF with SHA-256 (RFC 5869): independent keys from one strong key.
public enum HKDF {
    /// `length` bytes that depend on `key`, `salt` and `info`, and tell nothing about `key`.
    ///
    /// `info` says what the derived key is for, in at most 1,024 bytes; `key` must be strong already: for
    /// a password, use `PasswordHash`.
    public static func derive(
        from key: [UInt8], salt: [UInt8] = [], info: some Sequence<UInt8>, length: Int = 32
    ) -> [UInt8] {
        let derivation = Derivation()
        return derivation.derive(key: key, salt: salt, info: Array(info), length: length)
    }
}

private struct Derivation: ~Copyable {
    private let context: OpaquePointer

    init() { context = acquired(EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nil)) }

    deinit { EVP_PKEY_CTX_free(context) }

    func derive(key: [UInt8], salt: [UInt8], info: [UInt8], length: Int) -> [UInt8] {
        check(EVP_PKEY_derive_init(context))
        check(EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()))
        if !salt.isEmpty { check(EVP_PKEY_CTX_set1_hkdf_salt(context, salt, Int32(salt.count))) }
        check(EVP_PKEY_CTX_set1_hkdf_key(context, key, Int32(key.count)))
        check(EVP_PKEY_CTX_add1_hkdf_info(context, info, Int32(info.count)))
        return filled(length) { output in
            var count = length
            check(EVP_PKEY_derive(context, output.baseAddress, &count))
        }
    }
}
