import Kernel

/// The binary form of `numeric`: digits of base 10,000, the first of which counts 10,000 to the `weight`.
///
/// The layout is that of `numeric_send` in PostgreSQL's sources: digit count, weight, sign, display scale.
struct Numeric {
    let digits: [Int16]
    let weight: Int
    let sign: UInt16

    private static let base: Int64 = 10_000
    private static let negative: UInt16 = 0x4000
    private static let notANumber: UInt16 = 0xC000
    private static let infinity: UInt16 = 0xD000
    private static let negativeInfinity: UInt16 = 0xF000

    /// Money counts ten-thousandths, so its last digit of base 10,000 is the one after the point.
    init(_ money: Money) {
        var rest = money.tenThousandths.magnitude
        var digits: [Int16] = []
        while rest > 0 {
            digits.append(Int16(rest % 10_000))
            rest /= 10_000
        }
        weight = digits.isEmpty ? 0 : digits.count - 2
        self.digits = digits.reversed()
        sign = money.tenThousandths < 0 ? Numeric.negative : 0
    }

    init(_ bytes: RawSpan) throws {
        let count = try Int(bytes.integer(at: 0, as: UInt16.self))
        weight = try Int(bytes.integer(at: 2, as: Int16.self))
        sign = try bytes.integer(at: 4, as: UInt16.self)
        var digits: [Int16] = []
        for index in 0..<count {
            let digit = try bytes.integer(at: 8 + 2 * index, as: Int16.self)
            guard digit >= 0, digit < Numeric.base else { throw PostgresMismatch.malformed("a wrong digit") }
            digits.append(digit)
        }
        self.digits = digits
    }

    func encode(into buffer: inout [UInt8]) {
        let displayScale: Int16 = 4
        buffer.append(bigEndian: Int16(digits.count))
        buffer.append(bigEndian: Int16(weight))
        buffer.append(bigEndian: sign)
        buffer.append(bigEndian: displayScale)
        for digit in digits { buffer.append(bigEndian: digit) }
    }

    /// The number times 10,000 to the `places`, exactly; throws when that is no 64-bit integer.
    func scaled(places: Int) throws -> Int64 {
        guard sign == 0 || sign == Numeric.negative else { throw PostgresMismatch.malformed("not a number") }
        let wanted = weight + places + 1
        guard digits.dropFirst(max(0, wanted)).allSatisfy({ $0 == 0 }) else {
            throw PostgresMismatch.malformed("more decimals than fit")
        }
        guard digits.contains(where: { $0 != 0 }) else { return 0 }
        var value: Int64 = 0
        for index in 0..<max(0, wanted) {
            let digit = index < digits.count ? Int64(digits[index]) : 0
            let (shifted, tooLarge) = value.multipliedReportingOverflow(by: Numeric.base)
            // The sum is built below zero, where one more value fits.
            let (sum, overflow) = shifted.subtractingReportingOverflow(digit)
            guard !tooLarge, !overflow else { throw PostgresMismatch.malformed("the number is too large") }
            value = sum
        }
        if sign == Numeric.negative { return value }
        guard value != .min else { throw PostgresMismatch.malformed("the number is too large") }
        return -value
    }

    /// The nearest floating-point number.
    var double: Double {
        switch sign {
        case Numeric.notANumber: return .nan
        case Numeric.infinity: return .infinity
        case Numeric.negativeInfinity: return -.infinity
        default:
            let text = digits.map { digit in
                let text = String(digit)
                return String(repeating: "0", count: 4 - text.count) + text
            }
            let exponent = 4 * (weight - digits.count + 1)
            let magnitude = Double("0\(text.joined())e\(exponent)") ?? 0
            return sign == Numeric.negative ? -magnitude : magnitude
        }
    }
}
