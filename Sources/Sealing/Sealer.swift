import Kernel

/// A secret as it is stored: versioned text that only a `Sealer` with the right master key opens, and only
/// for the context it was sealed for.
///
/// `s1.<key id>.<nonce, ciphertext and tag>`: the key id is 8 hexadecimal digits, the rest Base64URL.
public struct SealedSecret: Sendable, Hashable, CustomStringConvertible {
    /// What to store.
    public let text: String

    /// `text` as it was stored; whether it is whole, `Sealer.open` finds out.
    public init(text: String) { self.text = text }

    public var description: String { text }
}

extension SealedSecret: Codable {
    public init(from decoder: any Decoder) throws {
        text = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// Why a sealed secret stays closed.
public enum SealingError: Error, Equatable {
    /// The text is not one that a sealer makes.
    case malformed
    /// It was made by a newer release.
    case unknownVersion
    /// It was sealed under a master key that this sealer does not have.
    case unknownKey
    /// It was changed since it was sealed, or was sealed for another context.
    case tampered
}

/// Seals secrets for storage with AES-256-GCM, under a key of their own for each context.
///
/// A context names the one place that a secret is for, such as `brand:acme/twilio.token`: what was sealed for
/// it cannot be moved to another row and opened there. While master keys are rotated the former ones still
/// open; seal again what is not `isCurrent`, then drop them.
public struct Sealer: Sendable {
    /// The bytes in a master key.
    public static let masterKeyLength = 32

    private let current: MasterKey
    private let former: [MasterKey]

    /// Seals under `masterKey`; opens that and `formerKeys`. Throws unless each has 32 bytes.
    public init(masterKey: [UInt8], formerKeys: [[UInt8]] = []) throws(Fault) {
        current = try MasterKey(masterKey)
        former = try formerKeys.map { key throws(Fault) in try MasterKey(key) }
    }

    /// The id of the master key that seals, as sealed texts name it.
    public var keyId: String { current.id }

    /// The ids of the former master keys, which still open.
    public var formerKeyIds: [String] { former.map(\.id) }

    /// Seals a secret for `context`.
    public func seal(_ plain: Secret, for context: String) -> SealedSecret {
        seal(Array(plain.reveal().utf8), for: context)
    }

    /// Seals bytes for `context`. The same bytes sealed twice give two texts.
    public func seal(_ plain: [UInt8], for context: String) -> SealedSecret {
        let nonce = RandomBytes.make(AESGCM.nonceLength)
        let sealed = AESGCM.seal(
            plain, key: current.key(for: context), nonce: nonce, context: Array(context.utf8))
        return SealedSecret(text: "\(Sealer.version).\(current.id).\(Base64URL.encode(nonce + sealed))")
    }

    /// The secret that was sealed for `context`.
    public func open(_ sealed: SealedSecret, for context: String) throws(SealingError) -> Secret {
        guard let text = String(validating: try openBytes(sealed, for: context), as: UTF8.self) else {
            throw .malformed
        }
        return Secret(text)
    }

    /// The bytes that were sealed for `context`.
    public func openBytes(_ sealed: SealedSecret, for context: String) throws(SealingError) -> [UInt8] {
        let parts = sealed.text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .malformed }
        guard parts[0] == Sealer.version else { throw .unknownVersion }
        guard let master = ([current] + former).first(where: { $0.id == parts[1] }) else { throw .unknownKey }
        guard let box = Base64URL.decode(parts[2]), box.count >= AESGCM.nonceLength + AESGCM.tagLength else {
            throw .malformed
        }
        let plain = AESGCM.open(
            Array(box.dropFirst(AESGCM.nonceLength)), key: master.key(for: context),
            nonce: Array(box.prefix(AESGCM.nonceLength)), context: Array(context.utf8))
        guard let plain else { throw .tampered }
        return plain
    }

    /// Whether `sealed` is under the current master key; if not, open it and seal it again.
    public func isCurrent(_ sealed: SealedSecret) -> Bool {
        sealed.text.hasPrefix("\(Sealer.version).\(current.id).")
    }

    private static let version = "s1"
}

private struct MasterKey: Sendable {
    let id: String
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) throws(Fault) {
        guard bytes.count == Sealer.masterKeyLength else {
            throw Fault(
                .invalid, doing: "use the master key",
                "it has \(bytes.count) bytes; expected \(Sealer.masterKeyLength)")
        }
        self.bytes = bytes
        id = Hex.encode(HKDF.derive(from: bytes, info: "constintel master key id".utf8, length: 4))
    }

    /// The context is hashed because HKDF's info has a limit of 1,024 bytes.
    func key(for context: String) -> [UInt8] {
        HKDF.derive(from: bytes, info: Array("constintel sealed secret ".utf8) + SHA256.hash(context.utf8))
    }
}
