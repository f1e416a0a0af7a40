import Kernel

/// The master keys as they can be stored anywhere: whoever knows the recovery passphrase opens them, and
/// nobody else but who has them already.
///
/// The passphrase gives a wrapping key by scrypt, and that seals the master keys with AES-256-GCM. The
/// wrapping key is also kept sealed under the master key, so that a rotation can wrap the new one without the
/// passphrase.
public struct RecoveryWrap: Codable, Sendable {
    private let version: Int
    /// scrypt's, as in `PasswordHash`.
    private let costs: String
    private let salt: String
    /// Nonce, ciphertext and tag.
    private let box: String
    private let wrappingKey: SealedSecret

    private static let version = 1
    private static let context = "platform/recovery wrapping key"

    /// Wraps `masterKeys` under `passphrase`.
    public static func make(
        _ passphrase: RecoveryPassphrase, masterKeys: [[UInt8]], sealer: Sealer
    ) -> RecoveryWrap {
        let salt = RandomBytes.make(16)
        let key = scrypt(Secret(passphrase.normal), salt, .current, length: AESGCM.keyLength)
        return RecoveryWrap(
            version: version, costs: Costs.current.text, salt: Base64URL.encode(salt),
            box: box(masterKeys, key), wrappingKey: sealer.seal(key, for: context))
    }

    /// The same passphrase's wrap of `masterKeys`; nothing is written when it is of these already.
    ///
    /// - Parameter sealing: what can open the wrapping key from now on.
    /// - Throws: `SealingError` when `opening` has not the master key that it is sealed under.
    public func wrapping(
        _ masterKeys: [[UInt8]], opening: Sealer, sealing: Sealer
    ) throws(SealingError) -> RecoveryWrap? {
        let key = try opening.openBytes(wrappingKey, for: RecoveryWrap.context)
        if sealing.isCurrent(wrappingKey), opened(by: key) == masterKeys { return nil }
        return RecoveryWrap(
            version: version, costs: costs, salt: salt, box: RecoveryWrap.box(masterKeys, key),
            wrappingKey: sealing.seal(key, for: RecoveryWrap.context))
    }

    /// The master keys, the one that seals first; nil for another passphrase, or when a byte was changed.
    public func open(_ passphrase: RecoveryPassphrase) -> [[UInt8]]? {
        guard version == RecoveryWrap.version, let costs = Costs(text: costs[...]),
            let salt = Base64URL.decode(salt)
        else { return nil }
        return opened(by: scrypt(Secret(passphrase.normal), salt, costs, length: AESGCM.keyLength))
    }

    private func opened(by key: [UInt8]) -> [[UInt8]]? {
        guard let box = Base64URL.decode(box), box.count >= AESGCM.nonceLength else { return nil }
        let plain = AESGCM.open(
            Array(box.dropFirst(AESGCM.nonceLength)), key: key, nonce: Array(box.prefix(AESGCM.nonceLength)),
            context: Array(RecoveryWrap.context.utf8))
        return plain.flatMap(MasterKeys.split)
    }

    private static func box(_ masterKeys: [[UInt8]], _ key: [UInt8]) -> String {
        let nonce = RandomBytes.make(AESGCM.nonceLength)
        let sealed = AESGCM.seal(
            masterKeys.flatMap(\.self), key: key, nonce: nonce, context: Array(context.utf8))
        return Base64URL.encode(nonce + sealed)
    }
}

/// Master keys as one file has them: the one that seals, then, while they are rotated, the former one.
public enum MasterKeys {
    /// The keys in `bytes`; nil unless there are one or two whole ones.
    public static func split(_ bytes: [UInt8]) -> [[UInt8]]? {
        let length = Sealer.masterKeyLength
        guard bytes.count == length || bytes.count == 2 * length else { return nil }
        return stride(from: 0, to: bytes.count, by: length).map { Array(bytes[$0..<$0 + length]) }
    }
}

/// What brings the master key back: 125 random bits in five groups of five characters, none of which looks
/// like another.
public struct RecoveryPassphrase: Sendable {
    /// For people to write down: `7k2m9-x0v4t-…`. Show it once.
    public let text: Secret
    /// What the key is made from, however it was typed.
    let normal: String

    /// Crockford's base 32: no i, l, o, u.
    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz")

    /// A new one.
    public static func generate() -> RecoveryPassphrase {
        let letters = RandomBytes.make(25).map { alphabet[Int($0 & 31)] }
        let groups = stride(from: 0, to: letters.count, by: 5).map { String(letters[$0..<$0 + 5]) }
        return RecoveryPassphrase(typed: groups.joined(separator: "-"))
    }

    /// One as a person typed it: case, spaces and hyphens do not matter, nor which of 0 and o, 1, i and l.
    public init(typed: String) {
        text = Secret(typed)
        normal = String(
            typed.lowercased().compactMap { letter -> Character? in
                switch letter {
                case "o": "0"
                case "i", "l": "1"
                case "-": nil
                default: letter.isWhitespace ? nil : letter
                }
            })
    }
}
