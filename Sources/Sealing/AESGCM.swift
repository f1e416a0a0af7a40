import COpenSSL

/// AES-256 in Galois/Counter Mode (NIST SP 800-38D) with a nonce of 12 bytes and a tag of 16.
enum AESGCM {
    static let keyLength = 32
    static let nonceLength = 12
    static let tagLength = 16

    /// `plain` encrypted, then the tag that proves it and `context`. A nonce must never be used twice
    /// with one key.
    static func seal(_ plain: [UInt8], key: [UInt8], nonce: [UInt8], context: [UInt8]) -> [UInt8] {
        let cipher = Cipher(.encrypting, key: key, nonce: nonce)
        cipher.authenticate(context)
        let sealed = cipher.update(plain)
        check(cipher.finish() ? 1 : 0)
        return sealed + cipher.tag()
    }

    /// What was sealed; nil when a byte of it, its tag, the key, the nonce or the context differs.
    static func open(_ sealed: [UInt8], key: [UInt8], nonce: [UInt8], context: [UInt8]) -> [UInt8]? {
        guard sealed.count >= tagLength else { return nil }
        let cipher = Cipher(.decrypting, key: key, nonce: nonce)
        cipher.authenticate(context)
        let plain = cipher.update(Array(sealed.dropLast(tagLength)))
        cipher.expect(tag: Array(sealed.suffix(tagLength)))
        return cipher.finish() ? plain : nil
    }
}

private struct Cipher: ~Copyable {
    enum Direction: Int32 {
        case decrypting = 0
        case encrypting = 1
    }

    private let context: OpaquePointer

    init(_ direction: Direction, key: [UInt8], nonce: [UInt8]) {
        precondition(key.count == AESGCM.keyLength && nonce.count == AESGCM.nonceLength)
        context = acquired(EVP_CIPHER_CTX_new())
        check(EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce, direction.rawValue))
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    func authenticate(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        var count: Int32 = 0
        check(EVP_CipherUpdate(context, nil, &count, bytes, Int32(bytes.count)))
    }

    /// GCM is a stream cipher: as many bytes come out as go in.
    func update(_ bytes: [UInt8]) -> [UInt8] {
        guard !bytes.isEmpty else { return [] }
        return filled(bytes.count) { output in
            var count: Int32 = 0
            check(EVP_CipherUpdate(context, output.baseAddress, &count, bytes, Int32(bytes.count)))
        }
    }

    /// False when, decrypting, the tag does not fit.
    func finish() -> Bool {
        var count: Int32 = 0
        var nothing: [UInt8] = Array(repeating: 0, count: AESGCM.tagLength)
        return EVP_CipherFinal_ex(context, &nothing, &count) == 1
    }

    func tag() -> [UInt8] {
        filled(AESGCM.tagLength) { tag in
            check(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tag.count), tag.baseAddress))
        }
    }

    func expect(tag: [UInt8]) {
        var tag = tag
        check(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), &tag))
    }
}
