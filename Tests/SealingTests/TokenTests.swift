import Kernel
import Testing

@testable import Sealing

@Suite struct TokenTests {
    let key = SigningKey.generate()
    let now = Timestamp(microseconds: 1_700_000_000_123_456)

    private func claims(for audience: String = "brand:acme") -> TokenClaims {
        TokenClaims(sub: "user-1", aud: audience, role: "brand_owner", iat: now, lifetime: .seconds(300))
    }

    private var verifier: TokenVerifier { TokenVerifier(keys: [key.publicKey], audience: "brand:acme") }

    private func token(header: String, payload: String) -> String {
        let signed = "\(Base64URL.encode(header.utf8)).\(Base64URL.encode(payload.utf8))"
        return "\(signed).\(Base64URL.encode(key.sign(Array(signed.utf8))))"
    }

    @Test("a token says what was signed, to its audience, until it expires")
    func roundTrip() throws {
        let claims = claims()
        let token = try TokenSigner(key: key).sign(claims)
        #expect(try verifier.verify(token, at: now) == claims)
        #expect(claims.iat.description == "2023-11-14T22:13:20Z")
        #expect(claims.exp - claims.iat == .seconds(300))
        #expect(try verifier.verify(token, at: claims.exp - .microseconds(1)) == claims)
        #expect(throws: TokenError.expired) { try verifier.verify(token, at: claims.exp) }
    }

    @Test("a token for one brand is refused by another and by the control plane")
    func audience() throws {
        let token = try TokenSigner(key: key).sign(claims())
        for audience in ["brand:bazaar", "control", ""] {
            let other = TokenVerifier(keys: [key.publicKey], audience: audience)
            #expect(throws: TokenError.wrongAudience) { try other.verify(token, at: now) }
        }
    }

    @Test("while keys are rotated both verify, and afterwards only the new one")
    func rotation() throws {
        let next = SigningKey.generate()
        let old = try TokenSigner(key: key).sign(claims())
        let new = try TokenSigner(key: next).sign(claims())
        let both = TokenVerifier(keys: [key.publicKey, next.publicKey], audience: "brand:acme")
        #expect(throws: Never.self) { try both.verify(old, at: now) }
        #expect(throws: Never.self) { try both.verify(new, at: now) }
        let after = TokenVerifier(keys: [next.publicKey], audience: "brand:acme")
        #expect(throws: TokenError.unknownKey) { try after.verify(old, at: now) }
    }

    @Test("each changed character of a token is refused")
    func changedCharacters() throws {
        let token = Array(try TokenSigner(key: key).sign(claims()).utf8)
        for position in token.indices {
            for bit in 0..<7 {
                let changed = String(decoding: token.flipped(position * 8 + bit), as: UTF8.self)
                #expect(throws: TokenError.self, "\(changed)") { try verifier.verify(changed, at: now) }
            }
        }
    }

    @Test("a token does not choose how it is checked", arguments: ["none", "HS256", "ES256", "eddsa"])
    func algorithm(name: String) {
        let forged = token(header: #"{"alg":"\#(name)","kid":"\#(key.publicKey.id)"}"#, payload: "{}")
        #expect(throws: TokenError.malformed) { try verifier.verify(forged, at: now) }
    }

    @Test(
        "what is signed but is no claims of ours is malformed",
        arguments: [
            "{}", "[]", "x",
            #"{"sub":"u","aud":"brand:acme","role":"r","exp":1e300,"iat":0,"jti":"x"}"#,
            #"{"sub":"u","aud":"brand:acme","role":"r","exp":9223372036854775807,"iat":0,"#
                + #""jti":"018f3c1e-7b7a-7c3e-9d0a-0242ac120002"}"#,
        ])
    func claims(payload: String) {
        let odd = token(header: #"{"alg":"EdDSA","kid":"\#(key.publicKey.id)"}"#, payload: payload)
        #expect(throws: TokenError.malformed) { try verifier.verify(odd, at: now) }
    }

    @Test(
        "what is no token at all is malformed",
        arguments: ["", ".", "..", "a.b.c", "a.b", "a.b.c.d", "é.é.é"])
    func noToken(text: String) {
        #expect(throws: TokenError.malformed) { try verifier.verify(text, at: now) }
        let endless = String(repeating: "a", count: 1_000_000)
        #expect(throws: TokenError.malformed) { try verifier.verify(endless, at: now) }
    }
}
