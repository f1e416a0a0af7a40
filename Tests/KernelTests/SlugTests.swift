import Foundation
import Kernel
import Testing

@Suite("Slugs")
struct SlugTests {
    @Test(
        "a good slug is kept as it is", arguments: ["ab", "acme", "a1", "a-b-c", "shop-24", "b2", "adminx"])
    func accepted(text: String) throws {
        #expect(try Slug(text).text == text)
    }

    @Test("32 characters are a slug, and 33 are not")
    func length() throws {
        #expect(try Slug(String(repeating: "a", count: 32)).text.count == 32)
        #expect(throws: Fault.self) { try Slug(String(repeating: "a", count: 33)) }
    }

    @Test(
        "a broken rule is named",
        arguments: [
            ("", "2 to 32 characters"), ("a", "2 to 32 characters"),
            ("Acme", "only the characters"), ("a_b", "only the characters"), ("a b", "only the characters"),
            ("ac/me", "only the characters"), ("acmé", "only the characters"), ("a.b", "only the characters"),
            ("1ab", "begins with a letter"), ("-ab", "begins with a letter"), ("ab-", "ends with a letter"),
            ("a--b", "no two dashes"), ("pg-one", "reserved"),
        ])
    func refused(text: String, rule: String) {
        let fault = #expect(throws: Fault.self) { try Slug(text) }
        #expect(fault?.code == .invalid)
        #expect(fault?.field == "slug")
        #expect(fault?.detail.contains(rule) == true, "\(fault?.detail ?? "")")
    }

    @Test("every reserved name is refused", arguments: Slug.reserved.sorted())
    func reserved(text: String) {
        #expect(throws: Fault.self) { try Slug(text) }
    }

    @Test(
        "a hostile slug is refused",
        arguments: [
            "../etc", "a/../b", "a\u{0}b", "ab\n", "ab\r\n", "a'; drop schema public; --", "a\"b", "a{b}",
            "a*",
            "ａｂ", "a\u{301}b", "аcme", "a%2fb", "a\\b", "$(id)", "`id`", "ab\u{202E}",
        ])
    func hostile(text: String) {
        #expect(throws: Fault.self) { try Slug(text) }
    }

    @Test("every derived name comes from the slug, and two slugs never share one")
    func derived() throws {
        let slug = try Slug("shop-24")
        #expect(slug.schemaName == "brand_shop_24")
        #expect(slug.ownerRole == "owner_shop_24")
        #expect(slug.runtimeRole == "brand_shop_24")
        #expect(slug.redisPrefix == "ci:{shop-24}:")
        #expect(slug.redisUser == "brand-shop-24")
        #expect(slug.unitName == "constintel-instance@shop-24")
        #expect(slug.socketName == "shop-24.sock")
        let longest = try Slug(String(repeating: "a", count: 32))
        #expect(longest.schemaName.utf8.count <= 63, "a PostgreSQL name has at most 63 bytes")
    }

    @Test("in JSON a slug is its text, and a broken one is an error that names the rule")
    func json() throws {
        let data = try JSONEncoder().encode([try Slug("acme")])
        #expect(try JSONDecoder().decode([Slug].self, from: data) == [try Slug("acme")])
        let error = #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([Slug].self, from: Data(#"["a--b"]"#.utf8))
        }
        guard case .dataCorrupted(let context) = error else {
            Issue.record("\(String(describing: error))"); return
        }
        #expect(context.debugDescription.contains("no two dashes"))
    }
}
