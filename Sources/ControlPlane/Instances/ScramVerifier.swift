import Kernel
import Sealing

/// What PostgreSQL stores of a password for SCRAM-SHA-256 (RFC 5802, RFC 7677): a role is made with this, so
/// that the password itself is in no statement, no log and no replica.
struct ScramVerifier: Sendable {
    /// `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`, as `pg_authid.rolpassword` has it.
    let text: String

    /// `password` must be ASCII: SASLprep, which other text needs, changes nothing of it.
    ///
    /// - Parameter iterations: how much work each guess costs, and each connection too. One is enough for a
    ///   password that `PasswordGenerator` made, which nobody can guess; PostgreSQL's own 4096, meant for
    ///   what people think of, would cost a waking instance milliseconds for each of its connections.
    init(_ password: Secret, salt: [UInt8] = RandomBytes.make(16), iterations: Int = 1) {
        let key = Array(password.reveal().utf8)
        var block = HMACSHA256.code(for: salt + [0, 0, 0, 1], key: key)
        var salted = block
        for _ in 1..<iterations {
            block = HMACSHA256.code(for: block, key: key)
            for index in salted.indices { salted[index] ^= block[index] }
        }
        let storedKey = SHA256.hash(HMACSHA256.code(for: "Client Key".utf8, key: salted))
        let serverKey = HMACSHA256.code(for: "Server Key".utf8, key: salted)
        let keys = "\(base64(storedKey)):\(base64(serverKey))"
        text = "SCRAM-SHA-256$\(iterations):\(base64(salt))$\(keys)"
    }
}

/// The Base64 of RFC 4648 section 4, with padding.
private func base64(_ bytes: [UInt8]) -> String {
    let text = Base64URL.encode(bytes).replacing("-", with: "+").replacing("_", with: "/")
    return text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
}
