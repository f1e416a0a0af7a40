import COpenSSL
import Kernel

/// A password as it is stored: the scrypt (RFC 7914) hash with its salt and costs, laid out as the PHC string
/// format has it: `$scrypt$ln=15,r=8,p=3$<salt>$<hash>`, salt and hash in Base64URL.
///
/// Making and verifying take about a quarter of a second of one core and 32 MiB, on purpose: do it once a
/// login.
public struct PasswordHash: Sendable, Hashable {
    /// What to store.
    public let text: String
    private let costs: Costs
    private let salt: [UInt8]
    private let hash: [UInt8]

    /// Hashes `password` with a new salt.
    public static func make(_ password: Secret) -> PasswordHash {
        let salt = RandomBytes.make(16)
        return PasswordHash(costs: .current, salt: salt, hash: scrypt(password, salt, .current, length: 32))
    }

    /// Reads the stored form; nil when it is malformed or its costs are beyond what is accepted here.
    public init?(text: String) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].isEmpty, parts[1] == "scrypt", let costs = Costs(text: parts[2]),
            let salt = Base64URL.decode(parts[3]), let hash = Base64URL.decode(parts[4]),
            salt.count >= 8, (16...64).contains(hash.count)
        else { return nil }
        self.init(costs: costs, salt: salt, hash: hash)
    }

    private init(costs: Costs, salt: [UInt8], hash: [UInt8]) {
        self.costs = costs
        self.salt = salt
        self.hash = hash
        text = "$scrypt$\(costs.text)$\(Base64URL.encode(salt))$\(Base64URL.encode(hash))"
    }

    /// Whether `password` is the one that was hashed.
    public func verify(_ password: Secret) -> Bool {
        constantTimeEquals(scrypt(password, salt, costs, length: hash.count), hash)
    }

    /// Whether newer costs are in use: make it again at the next good login.
    public var isOutdated: Bool { costs != .current }

    /// A hash of no one's password. Verify against it when the user is unknown, so that the time taken does
    /// not tell which users exist.
    public static let decoy = make(PasswordGenerator.make())
}

/// What a hash costs: 2^`logN` blocks of 128 × `r` bytes, walked `p` times.
struct Costs: Sendable, Hashable {
    let logN: Int
    let r: Int
    let p: Int

    /// The minimum that OWASP's password storage cheat sheet gives for 32 MiB.
    static let current = Costs(logN: 15, r: 8, p: 3)

    init(logN: Int, r: Int, p: Int) {
        self.logN = logN
        self.r = r
        self.p = p
    }

    init?(text: Substring) {
        let fields = text.split(separator: ",")
        guard fields.count == 3, fields[0].hasPrefix("ln="), fields[1].hasPrefix("r="),
            fields[2].hasPrefix("p="),
            let logN = Int(fields[0].dropFirst(3)), let r = Int(fields[1].dropFirst(2)),
            let p = Int(fields[2].dropFirst(2)),
            (1...17).contains(logN), (1...16).contains(r), (1...8).contains(p), logN < 16 * r
        else { return nil }
        self.init(logN: logN, r: r, p: p)
    }

    var text: String { "ln=\(logN),r=\(r),p=\(p)" }

    /// What OpenSSL may allocate: the blocks, with room for the buffers beside them.
    var maximumBytes: UInt64 { UInt64(128 * r * (1 << logN + p + 4)) }
}

func scrypt(_ password: Secret, _ salt: [UInt8], _ costs: Costs, length: Int) -> [UInt8] {
    let password = Array(password.reveal().utf8)
    return filled(length) { hash in
        password.withUnsafeBytes { password in
            check(
                EVP_PBE_scrypt(
                    password.baseAddress, password.count, salt, salt.count, 1 << UInt64(costs.logN),
                    UInt64(costs.r), UInt64(costs.p), costs.maximumBytes, hash.baseAddress, length))
        }
    }
}
