import Kernel
import Testing

@testable import Sealing

@Suite struct PasswordHashTests {
    @Test("scrypt gives the answer of RFC 7914")
    func scrypt() throws {
        let hash = try #require(
            Hex.decode(
                "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                    + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"))
        let salt = Base64URL.encode("SodiumChloride".utf8)
        let text = "$scrypt$ln=14,r=8,p=1$\(salt)$\(Base64URL.encode(hash))"
        let stored = try #require(PasswordHash(text: text))
        #expect(stored.text == text)
        #expect(stored.verify(Secret("pleaseletmein")))
        #expect(!stored.verify(Secret("pleaseletmeim")))
        #expect(stored.isOutdated)
    }

    @Test("a stored password verifies, another does not, and the same is never stored twice alike")
    func make() throws {
        let made = PasswordHash.make(Secret("correct horse ✓"))
        let stored = try #require(PasswordHash(text: made.text))
        #expect(stored.verify(Secret("correct horse ✓")))
        #expect(!stored.verify(Secret("correct horse")))
        #expect(!stored.verify(Secret("")))
        #expect(!stored.isOutdated)
        #expect(PasswordHash.make(Secret("correct horse ✓")) != made)
    }

    @Test("each flipped byte of a stored hash refuses the password")
    func flippedBytes() throws {
        let cheap = "$scrypt$ln=1,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
        let zeros = [UInt8](repeating: 0, count: 32)
        let wrong = try #require(PasswordHash(text: cheap + Base64URL.encode(zeros)))
        #expect(!wrong.verify(Secret("x")))
        let right = try #require(
            Hex.decode("07945faa5ee47b5ae83c5de464dca482a8d3f9b786c80a4e55ef85379bff3eb3"))
        #expect(try #require(PasswordHash(text: cheap + Base64URL.encode(right))).verify(Secret("x")))
        for bit in stride(from: 0, to: right.count * 8, by: 3) {
            let changed = try #require(PasswordHash(text: cheap + Base64URL.encode(right.flipped(bit))))
            #expect(!changed.verify(Secret("x")), "bit \(bit)")
        }
    }

    @Test(
        "a stored form that is malformed or dear beyond reason is refused",
        arguments: [
            "", "x", "$scrypt$ln=15,r=8,p=3$AAAAAAAAAAAAAAAAAAAAAA",
            "$argon2$ln=15,r=8,p=3$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=30,r=8,p=3$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=15,r=8$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=0,r=8,p=3$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
            "$scrypt$ln=15,r=8,p=3$!$AAAAAAAAAAAAAAAAAAAAAA", "$scrypt$ln=15,r=8,p=3$AA$AA",
        ])
    func malformed(text: String) {
        #expect(PasswordHash(text: text) == nil)
    }

    @Test("the decoy verifies nobody")
    func decoy() {
        #expect(!PasswordHash.decoy.verify(Secret("")))
    }
}
