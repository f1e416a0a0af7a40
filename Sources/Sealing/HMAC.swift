import COpenSSL

/// HMAC with SHA-256 (RFC 2104): proves that bytes come from someone who has the key.
public enum HMACSHA256 {
    /// The code of `message` under `key`, 32 bytes.
    public static func code(for message: some Sequence<UInt8>, key: some Sequence<UInt8>) -> [UInt8] {
        hmac(EVP_sha256(), length: 32, message, key)
    }

    /// Whether `code` is the code of `message` under `key`, compared in constant time.
    public static func isValid(
        _ code: [UInt8], for message: some Sequence<UInt8>, key: some Sequence<UInt8>
    ) -> Bool {
        constantTimeEquals(code, self.code(for: message, key: key))
    }
}

/// HMAC with SHA-1, only to check the signatures of vendors that use nothing newer (Twilio).
public enum HMACSHA1 {
    /// The code of `message` under `key`, 20 bytes.
    public static func code(for message: some Sequence<UInt8>, key: some Sequence<UInt8>) -> [UInt8] {
        hmac(EVP_sha1(), length: 20, message, key)
    }

    /// Whether `code` is the code of `message` under `key`, compared in constant time.
    public static func isValid(
        _ code: [UInt8], for message: some Sequence<UInt8>, key: some Sequence<UInt8>
    ) -> Bool {
        constantTimeEquals(code, self.code(for: message, key: key))
    }
}

private func hmac(
    _ digest: OpaquePointer?, length: Int, _ message: some Sequence<UInt8>, _ key: some Sequence<UInt8>
) -> [UInt8] {
    filled(length) { code in
        withBytes(of: key) { key in
            withBytes(of: message) { message in
                let result = HMAC(
                    digest, key.baseAddress, Int32(key.count), message.baseAddress, message.count,
                    code.baseAddress, nil)
                check(result == nil ? 0 : 1)
            }
        }
    }
}
