import Foundation
import Kernel
import Sealing
import Synchronization
import Workflow

/// The installation's own keys, made at its first start and kept in `secrets/`, as they are at any moment:
/// they are rotated while everything runs.
final class PlatformKeys: Sendable {
    /// Hashes requests that are remembered: without it their hashes tell nothing, not even of a body with a
    /// password that could be guessed.
    let requestHashKey: [UInt8]
    /// Signs what drills of backups have found.
    let receiptKey: SigningKey
    /// The file with the password of the backups' repositories, where no other is configured. Whoever loses
    /// it with the machine has no backups: it is to be kept elsewhere too.
    let backupPasswordFile: String
    /// Whether the master key is delivered by a service manager, and so is somebody else's to replace.
    let isMasterKeyDelivered: Bool
    private let files: KeyFiles
    private let state: Mutex<State>

    private struct State {
        /// The one that seals first.
        var masterKeys: [[UInt8]]
        var sealer: Sealer
        var tokens: TokenKeys
    }

    /// Seals every secret in the databases.
    var sealer: Sealer { state.withLock { $0.sealer } }
    /// Signs user tokens.
    var signer: TokenSigner { state.withLock { $0.tokens.signer } }
    /// Whoever verifies user tokens takes both.
    var tokenKeys: [VerifyingKey] { state.withLock { $0.tokens.verifying } }
    /// The pairs with what each is for.
    var tokens: TokenKeys { state.withLock { $0.tokens } }
    /// Whether a recovery passphrase opens the master key.
    var hasRecovery: Bool { (try? files.recovery()) != nil }

    /// Reads the keys, making those that are missing.
    ///
    /// - Parameter credentials: where a service manager puts secrets: the master key there is the one.
    /// - Throws: a fault that names the file that has not the right length, or is gone and can be recovered.
    static func load(from directory: String, credentials: String? = nil) throws(Fault) -> PlatformKeys {
        try PrivateFile.makeDirectory(directory)
        let files = KeyFiles(directory: directory)
        let delivered = try credentials.flatMap { path throws(Fault) in
            try PrivateFile.read("\(path)/master.key")
        }
        let master = if let delivered { delivered } else { try files.masterKey() }
        guard let masterKeys = MasterKeys.split(master) else {
            throw Fault(
                .invalid,
                doing: "read \(delivered == nil ? files.masterKeyPath : "the credential master.key")",
                "it has \(master.count) bytes; expected \(Sealer.masterKeyLength), or twice as many while it "
                    + "is rotated")
        }
        let keys = PlatformKeys(
            files: files, isDelivered: delivered != nil, masterKeys: masterKeys,
            sealer: try Sealer(masterKey: masterKeys[0], formerKeys: Array(masterKeys.dropFirst())),
            tokens: try files.tokens(), hash: try files.requestHashKey(master: masterKeys.last ?? master),
            receiptKey: try files.receiptKey())
        try files.makeBackupPassword()
        // A key that a service manager has replaced is to be recoverable too.
        if delivered != nil { try? keys.rewrap(masterKeys, opening: keys.sealer, sealing: keys.sealer) }
        return keys
    }

    private init(
        files: KeyFiles, isDelivered: Bool, masterKeys: [[UInt8]], sealer: Sealer, tokens: TokenKeys,
        hash: [UInt8], receiptKey: SigningKey
    ) {
        self.files = files
        self.receiptKey = receiptKey
        backupPasswordFile = files.backupPasswordPath
        isMasterKeyDelivered = isDelivered
        requestHashKey = hash
        state = Mutex(State(masterKeys: masterKeys, sealer: sealer, tokens: tokens))
    }
}

extension PlatformKeys {
    /// A new master key seals from now on; the former one still opens.
    func beginMasterKey() throws {
        let (old, sealer) = state.withLock { ($0.masterKeys, $0.sealer) }
        guard old.count == 1, !isMasterKeyDelivered else { return }
        let both = [RandomBytes.make(Sealer.masterKeyLength)] + old
        // Sealed under the old one still: a death before the next line leaves no other.
        try rewrap(both, opening: sealer, sealing: sealer)
        try Failpoint.hit("platform.masterKey.wrapped")
        try keep(both)
        try Failpoint.hit("platform.masterKey.begun")
    }

    /// The former master key is gone.
    ///
    /// Nothing may be sealed under it any more.
    func endMasterKey() throws {
        let (keys, sealer) = state.withLock { ($0.masterKeys, $0.sealer) }
        guard keys.count > 1, !isMasterKeyDelivered else { return }
        try rewrap([keys[0]], opening: sealer, sealing: sealer)
        try Failpoint.hit("platform.masterKey.rewrapped")
        try keep([keys[0]])
        try Failpoint.hit("platform.masterKey.ended")
    }

    /// Makes a recovery passphrase; an earlier one opens nothing any more.
    func newRecoveryPassphrase() throws(Fault) -> Secret {
        let (keys, sealer) = state.withLock { ($0.masterKeys, $0.sealer) }
        let passphrase = RecoveryPassphrase.generate()
        try files.keep(.make(passphrase, masterKeys: keys, sealer: sealer))
        return passphrase.text
    }

    /// Keeps `tokens`, then uses them.
    func use(_ tokens: TokenKeys) throws(Fault) {
        try files.keep(tokens)
        state.withLock { $0.tokens = tokens }
    }

    /// What a backup holds of the keys: the master key as only the recovery passphrase opens it, the others
    /// sealed under the master key.
    func archived() throws -> [(name: String, content: [UInt8])] {
        let sealer = sealer
        var found = try KeyFiles.own.compactMap { name in
            try files.bytes(name).map {
                (name + ".sealed", Array(sealer.seal($0, for: PlatformKeys.context(name)).text.utf8))
            }
        }
        if let wrap = try files.bytes("master.key.recovery") { found.append(("master.key.recovery", wrap)) }
        return found
    }

    /// The installation's own keys out of what `archived` has made.
    ///
    /// - Throws: `Fault.conflict` when the master key here is not the one that sealed them.
    func opened(_ archived: [String: [UInt8]], doing: String) throws(Fault) -> [String: [UInt8]] {
        var opened: [String: [UInt8]] = [:]
        for name in KeyFiles.own {
            guard let sealed = archived[name + ".sealed"] else { continue }
            do throws(SealingError) {
                opened[name] = try sealer.openBytes(
                    SealedSecret(text: String(decoding: sealed, as: UTF8.self)),
                    for: PlatformKeys.context(name))
            } catch {
                throw Fault(
                    .conflict, doing: doing,
                    "the master key here is not the lost installation's: bring that back first with "
                        + "'constintel platform recover-master-key'; runbooks/machine-lost.md", cause: error)
            }
        }
        return opened
    }

    /// Writes the installation's own keys; they are used from the next start on.
    func keep(_ own: [String: [UInt8]]) throws(Fault) {
        for (name, bytes) in own { try files.keep(bytes, as: name) }
    }

    private static func context(_ name: String) -> String { "platform/backup/\(name)" }

    private func keep(_ masterKeys: [[UInt8]]) throws(Fault) {
        let sealer = try Sealer(masterKey: masterKeys[0], formerKeys: Array(masterKeys.dropFirst()))
        try PrivateFile.write(masterKeys.flatMap(\.self), to: files.masterKeyPath)
        state.withLock { ($0.masterKeys, $0.sealer) = (masterKeys, sealer) }
    }

    private func rewrap(_ masterKeys: [[UInt8]], opening: Sealer, sealing: Sealer) throws(Fault) {
        guard let wrap = try files.recovery() else { return }
        do {
            guard let next = try wrap.wrapping(masterKeys, opening: opening, sealing: sealing) else { return }
            try files.keep(next)
        } catch let error as SealingError {
            throw Fault(
                .conflict, doing: "keep the master key recoverable",
                "the recovery passphrase is of an earlier master key; make a new one with "
                    + "'constintel platform rotate-recovery-passphrase'", cause: error)
        } catch {
            throw error as? Fault
                ?? Fault(.internal, doing: "keep the master key recoverable", "it failed", cause: error)
        }
    }
}

/// The files in `secrets/`.
private struct KeyFiles: Sendable {
    let directory: String

    /// The files that are sealed for a backup.
    static let own = ["token-keys.json", "receipt.key", "request-hash.key"]

    /// The bytes of one of the files.
    func bytes(_ name: String) throws(Fault) -> [UInt8]? { try PrivateFile.read("\(directory)/\(name)") }

    func keep(_ bytes: [UInt8], as name: String) throws(Fault) {
        try PrivateFile.write(bytes, to: "\(directory)/\(name)")
    }

    var masterKeyPath: String { "\(directory)/master.key" }
    var backupPasswordPath: String { "\(directory)/backup.password" }
    private var recoveryPath: String { "\(directory)/master.key.recovery" }
    private var tokensPath: String { "\(directory)/token-keys.json" }

    /// The bytes of the master key's file, made when this is a first start.
    ///
    /// - Throws: `Fault.conflict` when it is gone: a new one would open nothing.
    func masterKey() throws(Fault) -> [UInt8] {
        if let bytes = try PrivateFile.read(masterKeyPath) { return bytes }
        guard try PrivateFile.read(recoveryPath) == nil else {
            throw Fault(
                .conflict, doing: "read \(masterKeyPath)",
                "it is gone; bring it back with 'constintel platform recover-master-key' and the recovery "
                    + "passphrase")
        }
        let bytes = RandomBytes.make(Sealer.masterKeyLength)
        try PrivateFile.write(bytes, to: masterKeyPath)
        return bytes
    }

    func recovery() throws(Fault) -> RecoveryWrap? {
        guard let bytes = try PrivateFile.read(recoveryPath) else { return nil }
        guard let wrap = try? JSONDecoder().decode(RecoveryWrap.self, from: Data(bytes)) else {
            throw Fault(.invalid, doing: "read \(recoveryPath)", "it is malformed")
        }
        return wrap
    }

    func keep(_ wrap: RecoveryWrap) throws(Fault) {
        do {
            try PrivateFile.write(Array(try JSONEncoder().encode(wrap)), to: recoveryPath)
        } catch {
            throw error as? Fault
                ?? Fault(.internal, doing: "write \(recoveryPath)", "it cannot be encoded", cause: error)
        }
    }

    func tokens() throws(Fault) -> TokenKeys {
        if let bytes = try PrivateFile.read(tokensPath) {
            return try TokenKeys(encoded: bytes, path: tokensPath)
        }
        let tokens = try TokenKeys(seeds: [SigningKey.generate().seed, SigningKey.generate().seed])
        try keep(tokens)
        return tokens
    }

    func keep(_ tokens: TokenKeys) throws(Fault) {
        try PrivateFile.write(tokens.encoded(), to: tokensPath)
    }

    /// The seed of the key that signs receipts.
    func receiptKey() throws(Fault) -> SigningKey {
        let path = "\(directory)/receipt.key"
        if let bytes = try PrivateFile.read(path) {
            guard let key = SigningKey(seed: bytes) else {
                throw Fault(
                    .invalid, doing: "read \(path)",
                    "it has \(bytes.count) bytes; expected \(SigningKey.seedLength)")
            }
            return key
        }
        let key = SigningKey.generate()
        try PrivateFile.write(key.seed, to: path)
        return key
    }

    /// Makes the password of the backups' repositories at the first start.
    func makeBackupPassword() throws(Fault) {
        guard try PrivateFile.read(backupPasswordPath) == nil else { return }
        try PrivateFile.write(Array(PasswordGenerator.make(length: 40).reveal().utf8), to: backupPasswordPath)
    }

    /// A key of its own, or a rotation of the master key would make every remembered request another one.
    func requestHashKey(master: [UInt8]) throws(Fault) -> [UInt8] {
        let path = "\(directory)/request-hash.key"
        if let bytes = try PrivateFile.read(path) { return bytes }
        let bytes = HKDF.derive(from: master, info: "constintel request hash".utf8)
        try PrivateFile.write(bytes, to: path)
        return bytes
    }
}
