import Customers
import Events
import Testing

@Suite("What an identifier stands for")
struct NormaliserTests {
    private func normalise(_ kind: IdentifierKind, _ value: String, country: String = "US") -> String? {
        IdentifierNormaliser(country: country).normalise([.init(kind: kind, value: value)]).usable.first?
            .value
    }

    @Test(
        "an e-mail is trimmed, lower-cased, and its domain is in IDNA",
        arguments: [
            (" Ann@Shop.COM ", "ann@shop.com"), ("a.b+c@d.co", "a.b+c@d.co"), ("a@b", "a@b"),
            ("a@bücher.example", "a@xn--bcher-kva.example"), ("A@BÜCHER.example", "a@xn--bcher-kva.example"),
            ("ann@", nil), ("@shop.com", nil), ("ann", nil), ("a b@c.d", nil), ("", nil), (" ", nil),
            ("a@bücher.example/x", nil), ("a@bücher.example:80", nil), ("a@bücher.example?x", nil),
            ("a@bücher.example#x", nil), ("a@büch er.example", nil), ("a@[ü]", nil), ("a@ü%2f.com", nil),
        ] as [(String, String?)])
    func email(text: String, expected: String?) {
        #expect(normalise(.email, text) == expected)
    }

    @Test(
        "a phone is E.164 by the brand's country",
        arguments: [
            ("(202) 555-0123", "US", "+12025550123"), ("+91 98765 43210", "US", "+919876543210"),
            ("098765 43210", "IN", "+919876543210"), ("x", "US", nil), ("1", "US", nil), ("", "US", nil),
        ] as [(String, String, String?)])
    func phone(text: String, country: String, expected: String?) {
        #expect(normalise(.phone, text, country: country) == expected)
        #expect(normalise(.whatsapp, text, country: country) == expected)
    }

    @Test("a card's digits are four, and an id is kept as it is but for its ends")
    func others() {
        #expect(normalise(.cardLast4, " 4242 ") == "4242")
        for text in ["424", "42424", "42a2", "４２４２"] { #expect(normalise(.cardLast4, text) == nil) }
        #expect(normalise(.loyaltyID, " AbC ") == "AbC")
        #expect(normalise(.upiID, " Ann@OkBank ") == "ann@okbank")
        for kind in [IdentifierKind.deviceID, .cookieID, .qrID] {
            #expect(normalise(kind, " AbC ") == "AbC" && normalise(kind, " ") == nil)
        }
    }

    @Test("every kind has its place by priority, whatever the order in which identifiers are sent")
    func priorityOfAll() {
        let values: KeyValuePairs<IdentifierKind, String> = [
            .cardLast4: "4242", .qrID: "q", .cookieID: "c", .deviceID: "d", .upiID: "a@upi", .loyaltyID: "l",
            .email: "a@b.c", .whatsapp: "+12025550124", .phone: "+12025550123",
        ]
        let sent = values.map { SentIdentifier(kind: $0.key, value: $0.value) }
        for sent in [sent, sent.reversed()] {
            #expect(
                IdentifierNormaliser(country: "US").normalise(sent).usable.map(\.value) == [
                    "+12025550123", "+12025550124", "a@b.c", "l", "a@upi", "d", "c", "q", "4242",
                ])
        }
    }

    @Test("what is usable comes by priority, each once, and a strong one that is not is told of")
    func priority() {
        let result = IdentifierNormaliser(country: "US").normalise([
            .init(kind: .cookieID, value: "c"), .init(kind: .email, value: "a@b.c"),
            .init(kind: .whatsapp, value: "+12025550123"), .init(kind: .phone, value: "202 555 0123"),
            .init(kind: .loyaltyID, value: "l"),
        ])
        #expect(result.usable.map(\.kind) == [.phone, .email, .loyaltyID, .cookieID])
        #expect(!result.hasUnusableStrong)
        #expect(
            IdentifierNormaliser(country: "US").normalise([.init(kind: .phone, value: "x")]).hasUnusableStrong
        )
        #expect(
            !IdentifierNormaliser(country: "US").normalise([.init(kind: .cardLast4, value: "x")])
                .hasUnusableStrong)
    }

    @Test("values that differ in their bytes alone are two values, as PostgreSQL sees them")
    func bytes() {
        let (one, other) = (
            Identifier(kind: .loyaltyID, value: "\u{E9}"), Identifier(kind: .loyaltyID, value: "e\u{301}")
        )
        #expect(one != other)
        #expect(Set([one, other, one]).count == 2)
    }
}
