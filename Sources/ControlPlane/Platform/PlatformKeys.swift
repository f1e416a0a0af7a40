import Kernel
import Sealing

/// The installation's own keys, made at its first start and kept in `secrets/`.
struct PlatformKeys: Sendable {
    /// Seals every secret in the databases.
    let sealer: Sealer
    /// Signs user tokens.
    let signer: TokenSigner
    /// Whoever verifies user tokens takes both: the second is the one that the next rotation signs with.
    let tokenKeys: [VerifyingKey]
    /// Hashes requests that are remembered: without it their hashes tell nothing, not even of a body with a
    /// password that could be guessed.
    let requestHashKey: [UInt8]

    /// Reads the keys, making those that are missing.
    ///
    /// - Parameter credentials: where a service manager puts secrets: the master key there is the one.
    /// - Throws: a fault that names the file that has not the right length.
    static func load(from directory: String, credentials: String? = nil) throws(Fault) -> PlatformKeys {
        try PrivateFile.makeDirectory(directory)
        let master =
            if let delivered = try credentials.flatMap({ path throws(Fault) in
                try PrivateFile.read("\(path)/master.key")
            }) {
                try checked(delivered, "the credential master.key", count: Sealer.masterKeyLength)
            } else {
                try bytes(in: "\(directory)/master.key", count: Sealer.masterKeyLength)
            }
        var signing: [SigningKey] = []
        for number in 1...2 {
            let path = "\(directory)/token-key-\(number).seed"
            guard let key = SigningKey(seed: try bytes(in: path, count: SigningKey.seedLength)) else {
                throw Fault(.invalid, doing: "read \(path)", "it is no signing key")
            }
            signing.append(key)
        }
        return PlatformKeys(
            sealer: try Sealer(masterKey: master), signer: TokenSigner(key: signing[0]),
            tokenKeys: signing.map(\.publicKey),
            requestHashKey: HKDF.derive(from: master, info: "constintel request hash".utf8))
    }

    private static func bytes(in path: String, count: Int) throws(Fault) -> [UInt8] {
        guard let bytes = try PrivateFile.read(path) else {
            let bytes = RandomBytes.make(count)
            try PrivateFile.write(bytes, to: path)
            return bytes
        }
        return try checked(bytes, path, count: count)
    }

    private static func checked(_ bytes: [UInt8], _ what: String, count: Int) throws(Fault) -> [UInt8] {
        guard bytes.count == count else {
            throw Fault(.invalid, doing: "read \(what)", "it has \(bytes.count) bytes; expected \(count)")
        }
        return bytes
    }
}
