import Foundation
import Kernel
import Sealing

/// The two key pairs of user tokens: whoever verifies takes both, one signs.
///
/// Before a rotation the second is the next one, known everywhere before it signs anything; after it the
/// first is the former one, until the tokens that it signed have expired. Then a new second one is made.
struct TokenKeys: Sendable, Equatable {
    private(set) var seeds: [[UInt8]]
    /// Which of the two signs.
    private(set) var signing: Int
    /// When the former one is refused; nil while there is none.
    private(set) var retireAt: Timestamp?

    private let keys: [SigningKey]

    /// - Throws: `Fault.invalid` unless there are two seeds and one of them signs.
    init(seeds: [[UInt8]], signing: Int = 0, retireAt: Timestamp? = nil) throws(Fault) {
        keys = seeds.compactMap(SigningKey.init(seed:))
        guard keys.count == 2, keys.indices.contains(signing) else {
            throw Fault(.invalid, doing: "read the token keys", "expected two signing keys")
        }
        (self.seeds, self.signing, self.retireAt) = (seeds, signing, retireAt)
    }

    var signer: TokenSigner { TokenSigner(key: keys[signing]) }
    var verifying: [VerifyingKey] { keys.map(\.publicKey) }

    static func == (left: TokenKeys, right: TokenKeys) -> Bool {
        left.seeds == right.seeds && left.signing == right.signing && left.retireAt == right.retireAt
    }

    /// What each key is for, by its id: `signing`, `next`, `former`.
    var uses: [(id: String, use: String)] {
        keys.enumerated().map { index, key in
            (key.publicKey.id, index == signing ? "signing" : retireAt == nil ? "next" : "former")
        }
    }

    /// The next one signs from now on; the former one verifies until `retireAt`.
    func rotated(until retireAt: Timestamp) throws(Fault) -> TokenKeys {
        try TokenKeys(seeds: seeds, signing: 1, retireAt: retireAt)
    }

    /// The former one is gone, and there is a next one.
    func retired() throws(Fault) -> TokenKeys {
        try TokenKeys(seeds: [seeds[signing], SigningKey.generate().seed])
    }
}

extension TokenKeys {
    private struct File: Codable {
        var seeds: [String]
        var signing: Int
        var retireAt: Timestamp?
    }

    /// As the file has them, whole: it is replaced at once.
    func encoded() throws(Fault) -> [UInt8] {
        let file = File(seeds: seeds.map { Base64URL.encode($0) }, signing: signing, retireAt: retireAt)
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            return Array(try encoder.encode(file))
        } catch {
            throw Fault(.internal, doing: "keep the token keys", "they cannot be encoded", cause: error)
        }
    }

    init(encoded bytes: [UInt8], path: String) throws(Fault) {
        guard let file = try? JSONDecoder().decode(File.self, from: Data(bytes)) else {
            throw Fault(.invalid, doing: "read \(path)", "it is malformed")
        }
        try self.init(
            seeds: file.seeds.map { Base64URL.decode($0) ?? [] }, signing: file.signing,
            retireAt: file.retireAt)
    }
}
