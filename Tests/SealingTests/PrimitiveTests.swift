import Kernel
import Testing

@testable import Sealing

/// Published answers: that OpenSSL is called as it wants to be, not that it can count.
@Suite struct PrimitiveTests {
    @Test("SHA-256 gives the answers of FIPS 180")
    func sha256() {
        #expect(
            Hex.encode(SHA256.hash("abc".utf8))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            Hex.encode(SHA256.hash([]))
                == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        var pieces = SHA256()
        pieces.update("a".utf8)
        pieces.update([])
        pieces.update(AnySequence("bc".utf8))
        #expect(pieces.finish() == SHA256.hash("abc".utf8))
    }

    @Test("HMAC gives the answers of RFC 4231 and RFC 2202")
    func hmac() {
        let ask = "what do ya want for nothing?".utf8
        #expect(
            Hex.encode(HMACSHA256.code(for: "Hi There".utf8, key: [UInt8](repeating: 0x0B, count: 20)))
                == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        let code = HMACSHA256.code(for: ask, key: "Jefe".utf8)
        #expect(Hex.encode(code) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(HMACSHA256.isValid(code, for: ask, key: "Jefe".utf8))
        #expect(!HMACSHA256.isValid(code, for: ask, key: "jefe".utf8))
        #expect(!HMACSHA256.isValid([], for: ask, key: "Jefe".utf8))
        #expect(
            Hex.encode(HMACSHA1.code(for: ask, key: "Jefe".utf8))
                == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
        #expect(HMACSHA256.code(for: [], key: []).count == 32)
    }

    @Test("HKDF gives the answers of RFC 5869")
    func hkdf() {
        let key = [UInt8](repeating: 0x0B, count: 22)
        #expect(
            Hex.encode(HKDF.derive(from: key, salt: Array(0x00...0x0C), info: Array(0xF0...0xF9), length: 42))
                == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
        #expect(
            Hex.encode(HKDF.derive(from: key, info: [], length: 42))
                == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
    }

    @Test("AES-256-GCM gives the answers of the test cases that NIST received with it")
    func aesGCM() throws {
        let zeros = [UInt8](repeating: 0, count: 32)
        let nothing = AESGCM.seal([], key: zeros, nonce: Array(zeros.prefix(12)), context: [])
        #expect(Hex.encode(nothing) == "530f8afbc74536b9a963b4f1c4cb738b")

        let half = "feffe9928665731c6d6a8f9467308308"
        let key = try #require(Hex.decode(half + half))
        let nonce = try #require(Hex.decode("cafebabefacedbaddecaf888"))
        let context = try #require(Hex.decode("feedfacedeadbeeffeedfacedeadbeefabaddad2"))
        let plain = try #require(
            Hex.decode(
                "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                    + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"))
        let sealed = AESGCM.seal(plain, key: key, nonce: nonce, context: context)
        #expect(
            Hex.encode(sealed)
                == "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                + "76fc6ece0f4e1768cddf8853bb2d551b")
        #expect(AESGCM.open(sealed, key: key, nonce: nonce, context: context) == plain)
        #expect(AESGCM.open(sealed, key: key, nonce: nonce, context: []) == nil)
        #expect(AESGCM.open(Array(sealed.prefix(15)), key: key, nonce: nonce, context: context) == nil)
    }

    @Test("Ed25519 gives the answers of RFC 8032, and each flipped bit of a signature is noticed")
    func ed25519() throws {
        let seed = try #require(
            Hex.decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
        let key = try #require(SigningKey(seed: seed))
        #expect(
            Hex.encode(key.publicKey.bytes)
                == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
        let signature = key.sign([0x72])
        #expect(
            Hex.encode(signature)
                == "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")
        #expect(key.publicKey.verify(signature, of: [0x72]))
        #expect(!key.publicKey.verify(signature, of: [0x73]))
        #expect(!key.publicKey.verify([], of: [0x72]))
        #expect(!SigningKey.generate().publicKey.verify(signature, of: [0x72]))
        for bit in 0..<signature.count * 8 {
            #expect(!key.publicKey.verify(signature.flipped(bit), of: [0x72]), "bit \(bit)")
        }
    }

    @Test("a key's id and a JWS signature are those of RFC 8037")
    func jwk() throws {
        let seed = try #require(Base64URL.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
        let key = try #require(SigningKey(seed: seed))
        #expect(Base64URL.encode(key.publicKey.bytes) == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
        #expect(key.publicKey.id == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
        let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
        #expect(
            Base64URL.encode(key.sign(Array(signed.utf8)))
                == "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
    }

    @Test("a private key shows nothing of itself")
    func quietKey() {
        let key = SigningKey.generate()
        var dumped = ""
        dump(key, to: &dumped)
        #expect(!dumped.contains("seed"))
        #expect("\(key)" == "the private key of \(key.publicKey.id)")
    }

    @Test("a key of the wrong length is refused")
    func keyLengths() {
        #expect(SigningKey(seed: [1, 2, 3]) == nil)
        #expect(VerifyingKey(bytes: [UInt8](repeating: 1, count: 33)) == nil)
    }

    @Test("Base64URL is that of RFC 4648, and no two texts decode to the same bytes")
    func base64URL() {
        for (plain, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            #expect(Base64URL.encode(plain.utf8) == text)
            #expect(Base64URL.decode(text) == Array(plain.utf8))
        }
        #expect(Base64URL.encode([0xFB, 0xFF]) == "-_8")
        for text in ["Z", "Zh", "Zg==", "Zm9", "Zm9v Z", "Zm+v", "Zm9vé"] {
            #expect(Base64URL.decode(text) == nil, "\(text)")
        }
    }

    @Test("hexadecimal text reads back in either case and refuses what is not pairs of digits")
    func hex() {
        #expect(Hex.encode([0x00, 0xAB, 0xFF]) == "00abff")
        #expect(Hex.decode("00ABff") == [0x00, 0xAB, 0xFF])
        for text in ["0", "0g", "+1", " 1"] { #expect(Hex.decode(text) == nil, "\(text)") }
    }

    @Test("equality in constant time is equality")
    func constantTime() {
        #expect(constantTimeEquals([], []))
        #expect(constantTimeEquals([1, 2, 3], [1, 2, 3]))
        #expect(!constantTimeEquals([1, 2, 3], [1, 2, 4]))
        #expect(!constantTimeEquals([1, 2, 3], [1, 2]))
    }

    @Test("random text has its length, its alphabet and no twin")
    func randomText() {
        let texts = (0..<200).map { _ in RandomText.base62(24) }
        #expect(Set(texts).count == texts.count)
        #expect(texts.allSatisfy { Base62.isText($0, count: 24) })
        #expect(Set(texts.joined()).count == 62)
        #expect(RandomText.base62(0).isEmpty)
        #expect(PasswordGenerator.make().reveal().count == 32)
        #expect(RandomBytes.make(32) != RandomBytes.make(32))
    }
}

extension [UInt8] {
    func flipped(_ bit: Int) -> [UInt8] {
        var copy = self
        copy[bit / 8] ^= 1 << UInt8(bit % 8)
        return copy
    }
}
