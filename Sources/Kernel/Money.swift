/// An exact amount with at most four decimals, without its currency; `numeric(18,4)` in the database.
///
/// In JSON it is written as a decimal string and read from a string or a number (see `wire.md`).
public struct Money: Hashable, Sendable, Comparable {
    /// The amount in ten-thousandths: 29.33 is 293300.
    public let tenThousandths: Int64

    public init(tenThousandths: Int64) { self.tenThousandths = tenThousandths }

    public static let zero = Money(tenThousandths: 0)

    /// The largest magnitude that is accepted: 99,999,999,999,999.9999, which is what `numeric(18,4)` holds.
    public static let limit = Money(tenThousandths: 999_999_999_999_999_999)

    /// Parses plain decimal notation: an optional minus, digits, at most four decimals. No exponent, no
    /// grouping, no plus; nil for anything else and for what is beyond `limit`.
    public init?(_ text: some StringProtocol) {
        self.init(bytes: text.utf8)
    }

    /// The same from UTF-8 bytes.
    public init?(bytes: some Collection<UInt8>) {
        var digits = bytes[...]
        let negative = digits.first == UInt8(ascii: "-")
        if negative { digits = digits.dropFirst() }
        var value: Int64 = 0
        var decimals: Int?
        var whole = 0
        for byte in digits {
            if byte == UInt8(ascii: ".") {
                guard decimals == nil, whole > 0 else { return nil }
                decimals = 0
                continue
            }
            guard byte >= 0x30, byte <= 0x39, decimals ?? 0 < 4 else { return nil }
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            guard !overflow, shifted <= Money.limit.tenThousandths else { return nil }
            value = shifted + Int64(byte - 0x30)
            if decimals == nil { whole += 1 } else { decimals! += 1 }
        }
        guard whole > 0, decimals != 0 else { return nil }
        for _ in (decimals ?? 0)..<4 {
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            guard !overflow else { return nil }
            value = shifted
        }
        guard value <= Money.limit.tenThousandths else { return nil }
        self.init(tenThousandths: negative ? -value : value)
    }

    public static func + (left: Money, right: Money) -> Money {
        Money(tenThousandths: left.tenThousandths + right.tenThousandths)
    }

    public static func - (left: Money, right: Money) -> Money {
        Money(tenThousandths: left.tenThousandths - right.tenThousandths)
    }

    public static func < (left: Money, right: Money) -> Bool { left.tenThousandths < right.tenThousandths }
}

extension Money: CustomStringConvertible {
    /// At least two decimals and no more than needed: `29.33`, `14.665`, `100.00`.
    public var description: String {
        let magnitude = tenThousandths.magnitude
        var fraction = String(magnitude % 10_000)
        fraction = String(repeating: "0", count: 4 - fraction.count) + fraction
        while fraction.count > 2, fraction.last == "0" { fraction.removeLast() }
        return "\(tenThousandths < 0 ? "-" : "")\(magnitude / 10_000).\(fraction)"
    }
}

extension Money: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let amount = try Money(container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "expected a decimal with at most 4 decimals")
        }
        self = amount
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// An ISO 4217 alphabetic code: three capital letters.
public struct Currency: Hashable, Sendable, Codable, CustomStringConvertible {
    public let code: String

    /// Accepts three ASCII letters in either case; nil for anything else. That the code is assigned is not
    /// checked: the list changes more often than this does.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 3, text.utf8.allSatisfy({ (0x41...0x5A).contains($0 & ~0x20) }) else {
            return nil
        }
        code = text.uppercased()
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let currency = try Currency(container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "expected a currency code of three letters")
        }
        self = currency
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(code)
    }

    public var description: String { code }
}
