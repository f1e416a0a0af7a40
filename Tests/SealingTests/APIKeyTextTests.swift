import Kernel
import Testing

@testable import Sealing

@Suite struct APIKeyTextTests {
    @Test("CRC-32 gives the answer of its catalogue", arguments: [("123456789", 0xCBF4_3926), ("", 0)])
    func crc32(text: String, answer: UInt32) {
        #expect(CRC32.of(text.utf8) == answer)
    }

    @Test("six digits hold any 32 bits and sort as numbers do")
    func sixDigits() {
        #expect(Base62.sixDigits(0) == "000000")
        #expect(Base62.sixDigits(61) == "00000z")
        #expect(Base62.sixDigits(62) == "000010")
        #expect(Base62.sixDigits(.max) == "4gfFC3")
    }

    @Test("a minted key reads back as what it was minted for", arguments: APIKeyText.Environment.allCases)
    func mint(environment: APIKeyText.Environment) throws {
        let longest = try Slug(String(repeating: "a", count: 32))
        for slug in [try Slug("acme"), try Slug("blue-shop-2"), longest] {
            let minted = APIKeyText.mint(slug, environment)
            let text = minted.key.reveal()
            #expect(text.hasPrefix("ci_\(environment.rawValue)_\(slug)_\(minted.publicId)_"))
            let key = try #require(APIKeyText.parse(text))
            #expect(key.slug == slug)
            #expect(key.publicId == minted.publicId)
            #expect(key.environment == environment)
            #expect(key.hash == minted.hash)
            #expect(minted.hash == SHA256.hash(text.utf8))
        }
    }

    @Test("each changed character of a key is noticed without a look-up")
    func changedCharacters() throws {
        let text = Array(APIKeyText.mint(try Slug("acme"), .live).key.reveal().utf8)
        for position in text.indices {
            for bit in 0..<7 {
                let changed = String(decoding: text.flipped(position * 8 + bit), as: UTF8.self)
                #expect(APIKeyText.parse(changed) == nil, "\(changed)")
            }
        }
        for length in text.indices {
            #expect(APIKeyText.parse(String(decoding: text[..<length], as: UTF8.self)) == nil)
        }
    }

    @Test(
        "a good check does not save a malformed key",
        arguments: [
            "ci_prod_acme_0123456789ab_0123456789abcdefghijklmn",
            "ci_live_Acme_0123456789ab_0123456789abcdefghijklmn",
            "ci_live_admin_0123456789ab_0123456789abcdefghijklmn",
            "ci_live_acme_0123456789a_0123456789abcdefghijklmn",
            "ci_live_acme_0123456789a-_0123456789abcdefghijklmn",
            "ci_live_acme_0123456789ab_0123456789abcdefghijklm",
            "ci_live_acme_0123456789ab_0123456789abcdefghijklm-",
            "ci_live_acme_0123456789ab__0123456789abcdefghijklmn",
            "cx_live_acme_0123456789ab_0123456789abcdefghijklmn",
            "ci_live_acme", "",
        ])
    func malformed(body: String) {
        #expect(APIKeyText.parse(body + Base62.sixDigits(CRC32.of(body.utf8))) == nil)
    }

    @Test("a key is read from a part of a header, and an endless one is not read at all")
    func lengths() throws {
        let header = "Bearer " + APIKeyText.mint(try Slug("acme"), .test).key.reveal()
        #expect(APIKeyText.parse(header.dropFirst(7))?.environment == .test)
        #expect(APIKeyText.parse(String(repeating: "a", count: 1_000_000)) == nil)
    }

    @Test("all keys of a text are found, each once, whatever stands around them, and nothing else is")
    func inText() throws {
        let keys = try [("acme", APIKeyText.Environment.live), ("b2-shop", .test), ("acme", .browser)].map {
            APIKeyText.mint(try Slug($0.0), $0.1).key.reveal()
        }
        let text = """
            {"token":"\(keys[0])","url":"https://x.example/?key=\(keys[1])&n=1"} ci_ci_live_\(keys[2])abc_
            ci_live_acme_ \(keys[0]) \(keys[1].dropLast()) é\(keys[2].replacing("ci_pub", with: "ci_live"))
            """
        #expect(APIKeyText.all(in: text).map(\.hash) == keys.map { SHA256.hash($0.utf8) })
        #expect(APIKeyText.all(in: "").isEmpty && APIKeyText.all(in: "ci_live_a_b").isEmpty)
        #expect(APIKeyText.all(in: keys[0]).count == 1)
        let hostile = String(repeating: "ci_live_", count: 8192)
        #expect(APIKeyText.all(in: hostile).isEmpty)
    }
}
