import Foundation
import Kernel
import TestSupport
import Testing

@testable import Sealing

/// Tokens and keys under attack, by public lists of what has worked elsewhere.
@Suite("Tokens under attack")
struct AttackTests {
    private struct Vectors: Decodable {
        struct Signature: Decodable {
            let id: Int
            let comment: String
            let key: String
            let message: String
            let signature: String
            let valid: Bool
        }
        struct Token: Decodable {
            let id: Int
            let comment: String
            let jws: String
        }
        let signatures: [Signature]
        let tokens: [Token]

        /// Wycheproof's, adapted.
        static func read() throws -> Vectors {
            let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
            let tests = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_CHECKOUT"]
                .map { "\($0)/Tests/SealingTests" }
            let path = "\(tests ?? here)/Vectors/wycheproof.json"
            return try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        }
    }

    private let now = Timestamp(microseconds: 1_700_000_000_000_000)

    @Test("Ed25519 takes and refuses what Wycheproof says")
    func signatures() throws {
        let vectors = try Vectors.read().signatures
        for vector in vectors {
            let key = try #require(VerifyingKey(bytes: Hex.decode(vector.key) ?? []))
            let signature = try #require(Hex.decode(vector.signature))
            let isValid = key.verify(signature, of: try #require(Hex.decode(vector.message)))
            #expect(isValid == vector.valid, "\(vector.id) \(vector.comment)")
        }
        let bad = vectors.count { !$0.valid }
        print("Wycheproof: \(vectors.count) signatures of Ed25519, \(bad) of them bad")
        #expect(bad > 50 && vectors.count - bad > 20)
    }

    @Test("no token of another algorithm or form is a token of ours")
    func otherTokens() throws {
        let verifier = TokenVerifier(keys: [SigningKey.generate().publicKey], audience: "control")
        let vectors = try Vectors.read().tokens
        for vector in vectors {
            #expect(throws: TokenError.malformed, "\(vector.id) \(vector.comment)") {
                try verifier.verify(vector.jws, at: now)
            }
        }
        print("Wycheproof: \(vectors.count) JSON web signatures")
        #expect(vectors.count > 50)
    }

    @Test("nothing that can be made of a genuine token without the private key is accepted")
    func forged() throws {
        let key = SigningKey.generate()
        let verifier = TokenVerifier(keys: [key.publicKey], audience: "brand:acme")
        let genuine = try TokenSigner(key: key).sign(
            TokenClaims(sub: "u", aud: "brand:acme", role: "brand_user", iat: now, lifetime: .seconds(300)))
        _ = try verifier.verify(genuine, at: now)
        let forged = ForgedTokens(of: genuine, signedBy: key.publicKey).all
        for (attack, token) in forged {
            #expect(throws: TokenError.self, "\(attack)") { try verifier.verify(token, at: now) }
        }
        print("forged tokens: \(forged.count), by \(Set(forged.map(\.attack)).count) attacks")
        #expect(forged.count > 150)
    }

    @Test("no character can be put into a token, at any place")
    func inserted() throws {
        let key = SigningKey.generate()
        let verifier = TokenVerifier(keys: [key.publicKey], audience: "a")
        let genuine = try TokenSigner(key: key).sign(
            TokenClaims(sub: "u", aud: "a", role: "r", iat: now, lifetime: .seconds(300)))
        for place in genuine.indices {
            for character in ["=", " ", "\n", ".", "A", "\u{0}", "é"] {
                var changed = genuine
                changed.insert(contentsOf: character, at: place)
                #expect(throws: TokenError.self, "\(changed)") { try verifier.verify(changed, at: now) }
            }
        }
    }

    @Test(
        "a header that must be understood and is not spoils the token (RFC 7515, 4.1.11)",
        arguments: [#""crit":["b64"],"b64":false"#, #""crit":["exp"]"#, #""crit":[]"#, #""crit":"exp""#])
    func critical(extra: String) throws {
        let key = SigningKey.generate()
        let claims = TokenClaims(sub: "u", aud: "a", role: "r", iat: now, lifetime: .seconds(300))
        let encoded = Base64URL.encode(try JSONEncoder().encode(claims))
        func token(_ extra: String) -> String {
            let header = #"{"alg":"EdDSA","kid":"\#(key.publicKey.id)"\#(extra)}"#
            let signed = "\(Base64URL.encode(header.utf8)).\(encoded)"
            return "\(signed).\(Base64URL.encode(key.sign(Array(signed.utf8))))"
        }
        let verifier = TokenVerifier(keys: [key.publicKey], audience: "a")
        #expect(try verifier.verify(token(""), at: now) == claims)
        #expect(throws: TokenError.malformed) { try verifier.verify(token(",\(extra)"), at: now) }
    }

    @Test("how long a comparison takes does not tell where the difference is")
    func timing() {
        // Long, so that stopping early would be seen on the noisiest machine.
        let stored = RandomBytes.make(1 << 17)
        let early = stored.flipped(0)
        let late = stored.flipped(stored.count * 8 - 1)
        let constant = ratio(early, late) { constantTimeEquals(stored, $0) }
        let naive = ratio(early, late) { stored == $0 }
        print("comparison: late/early \(constant) in constant time, \(naive) by ==")
        #expect(constant < 1.5)
        #expect(naive > 3, "the measure does not see what it is for")
    }

    /// How much longer comparing with `late` takes than with `early`, by the medians of alternating rounds.
    private func ratio(_ early: [UInt8], _ late: [UInt8], _ compare: ([UInt8]) -> Bool) -> Double {
        var times: [[Duration]] = [[], []]
        let clock = ContinuousClock()
        for round in 0..<600 {
            for side in round % 2 == 0 ? [0, 1] : [1, 0] {
                let other = side == 0 ? early : late
                times[side].append(clock.measure { for _ in 0..<4 where compare(other) { return } })
            }
        }
        let medians = times.map { $0.sorted()[$0.count / 2] }
        return medians[1] / medians[0]
    }
}
