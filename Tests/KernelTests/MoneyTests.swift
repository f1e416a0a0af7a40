import Foundation
import Kernel
import TestSupport
import Testing

@Suite("Money")
struct MoneyTests {
    @Test(
        "a plain decimal is read exactly",
        arguments: [
            ("0", 0), ("-0", 0), ("0.0001", 1), ("29.33", 293_300), ("14.665", 146_650), ("100", 1_000_000),
            ("-12.5", -125_000), ("007.10", 71_000), ("00000000000000000000000000000001.5", 15_000),
            ("99999999999999.9999", 999_999_999_999_999_999),
            ("-99999999999999.9999", -999_999_999_999_999_999),
        ] as [(String, Int64)])
    func accepted(text: String, tenThousandths: Int64) {
        #expect(Money(text)?.tenThousandths == tenThousandths)
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", "-", "+1", ".", ".5", "-.5", "1.", "1.00000", "1.2.3", "1,5", "1 000", " 1", "1 ", "1e3",
            "1E3",
            "0x10", "NaN", "inf", "--1", "1-", "twelve", "١٢", "1\u{0}", "99999999999999.99991",
            "100000000000000", "-100000000000000", "9223372036854775807", "9223372036854775808",
            "99999999999999999999999999999999999999999999", "922337203685477.5807",
        ])
    func refused(text: String) {
        #expect(Money(text) == nil)
    }

    @Test("an amount is written with two decimals at least and no more than it needs, and reads back")
    func written() {
        let written = [
            (0, "0.00"), (1, "0.0001"), (10, "0.001"), (100, "0.01"), (293_300, "29.33"), (146_650, "14.665"),
            (1_000_000, "100.00"), (-1, "-0.0001"), (-125_000, "-12.50"),
        ]
        for (tenThousandths, text) in written {
            #expect(Money(tenThousandths: Int64(tenThousandths)).description == text)
        }
        var generator = SeededGenerator(seed: 3)
        let limit = Money.limit.tenThousandths
        for _ in 0..<5000 {
            let amount = Money(tenThousandths: Int64.random(in: -limit...limit, using: &generator))
            #expect(Money(amount.description) == amount)
        }
        #expect(Money(tenThousandths: .min).description == "-922337203685477.5808")
    }

    @Test("amounts add, subtract and compare")
    func arithmetic() throws {
        let one = try #require(Money("0.1"))
        let two = try #require(Money("0.2"))
        #expect(one + two == Money("0.3"))
        #expect(one - two == Money("-0.1"))
        #expect(one < two)
    }

    @Test("in JSON an amount is a string")
    func json() throws {
        let data = try JSONEncoder().encode([Money(tenThousandths: 293_300)])
        #expect(String(decoding: data, as: UTF8.self) == #"["29.33"]"#)
        #expect(try JSONDecoder().decode([Money].self, from: data) == [Money(tenThousandths: 293_300)])
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([Money].self, from: Data(#"["1.00000"]"#.utf8))
        }
    }

    @Test("a currency is three ASCII letters in either case")
    func currency() throws {
        #expect(Currency("usd")?.code == "USD")
        #expect(Currency("EUR")?.description == "EUR")
        for text in ["", "US", "USDX", "U5D", "US ", "aß", "ﬁx", "ŉa", "ЕUR", "US\u{0}"] {
            #expect(Currency(text) == nil, "\(text)")
        }
        #expect(try JSONDecoder().decode([Currency].self, from: Data(#"["inr"]"#.utf8)).first?.code == "INR")
    }
}
