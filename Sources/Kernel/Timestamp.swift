/// An instant in UTC, to the microsecond: PostgreSQL's `timestamptz`, and the only time in the product.
public struct Timestamp: Hashable, Sendable, Comparable {
    /// Microseconds since 1970-01-01T00:00:00Z; negative before it.
    public let microseconds: Int64

    public init(microseconds: Int64) { self.microseconds = microseconds }

    /// Midnight at the start of a day of the proleptic Gregorian calendar; nil when there is no such day.
    public init?(year: Int, month: Int, day: Int) {
        guard let days = CivilDate(year: year, month: month, day: day)?.daysSinceEpoch else { return nil }
        microseconds = Int64(days) * Timestamp.microsecondsPerDay
    }

    /// Parses an RFC 3339 date-time (`2026-01-31T10:00:00Z`, `…10:00:00.123456+05:30`).
    ///
    /// Digits of a fraction past the sixth are cut. Days that do not exist, an hour of 24, and a missing zone
    /// are refused with nil, and so is an instant that an offset carries out of the years 1 to 9999; a leap
    /// second (`:60`) counts as the second after it.
    public init?(rfc3339 text: some StringProtocol) {
        var text = String(text)
        guard let parsed = text.withUTF8({ RFC3339Scanner(bytes: $0).timestamp() }) else { return nil }
        self = parsed
    }

    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.microseconds < right.microseconds
    }

    public static func + (instant: Timestamp, duration: Duration) -> Timestamp {
        Timestamp(microseconds: instant.microseconds + duration.inMicroseconds)
    }

    public static func - (instant: Timestamp, duration: Duration) -> Timestamp {
        Timestamp(microseconds: instant.microseconds - duration.inMicroseconds)
    }

    public static func - (left: Timestamp, right: Timestamp) -> Duration {
        .microseconds(left.microseconds - right.microseconds)
    }

    static let microsecondsPerDay: Int64 = 86_400_000_000
    /// What RFC 3339 can write: the years 1 to 9999.
    static let writable: ClosedRange<Int64> = -62_135_596_800_000_000...253_402_300_799_999_999
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC, with six digits of fraction or none: `2026-01-31T10:00:00Z`.
    public var description: String {
        var days = microseconds / Timestamp.microsecondsPerDay
        var rest = microseconds % Timestamp.microsecondsPerDay
        if rest < 0 {
            days -= 1
            rest += Timestamp.microsecondsPerDay
        }
        let date = CivilDate(daysSinceEpoch: Int(days))
        let seconds = rest / 1_000_000
        let fraction = rest % 1_000_000
        let clock = [seconds / 3600, seconds / 60 % 60, seconds % 60].map { padded(Int($0), to: 2) }
        let tail = fraction == 0 ? "Z" : ".\(padded(Int(fraction), to: 6))Z"
        return "\(date)T\(clock.joined(separator: ":"))\(tail)"
    }
}

extension Timestamp: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let instant = try Timestamp(rfc3339: container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "expected an RFC 3339 date-time")
        }
        self = instant
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension Duration {
    /// The whole microseconds in this duration.
    public var inMicroseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }

    /// So many times 24 hours.
    public static func days(_ count: Int) -> Duration { .seconds(count * 86_400) }

    /// The duration in seconds, as a floating-point number for logs and headers.
    public var inSeconds: Double { Double(inMicroseconds) / 1_000_000 }
}

/// A day of the proleptic Gregorian calendar.
///
/// The conversions follow Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
struct CivilDate: CustomStringConvertible {
    let year: Int
    let month: Int
    let day: Int

    init?(year: Int, month: Int, day: Int) {
        guard (1...9999).contains(year), (1...12).contains(month), day >= 1 else { return nil }
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard day <= lengths[month - 1] else { return nil }
        self.year = year
        self.month = month
        self.day = day
    }

    init(daysSinceEpoch: Int) {
        let shifted = daysSinceEpoch + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var daysSinceEpoch: Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    var description: String { "\(padded(year, to: 4))-\(padded(month, to: 2))-\(padded(day, to: 2))" }
}

/// Reads the fixed layout of RFC 3339 from bytes, without allocating: intake does this for every event.
private struct RFC3339Scanner {
    let bytes: UnsafeBufferPointer<UInt8>

    func timestamp() -> Timestamp? {
        guard bytes.count >= 20,
            byte(4, "-"), byte(7, "-"), byte(10, "T") || byte(10, "t"), byte(13, ":"), byte(16, ":"),
            let year = digits(0, 4), let month = digits(5, 2), let day = digits(8, 2),
            let hour = digits(11, 2), let minute = digits(14, 2), let second = digits(17, 2),
            hour < 24, minute < 60, second <= 60,
            let date = CivilDate(year: year, month: month, day: day)
        else { return nil }
        var position = 19
        guard let fraction = fraction(&position), let offset = offset(position) else { return nil }
        let seconds = Int64(date.daysSinceEpoch) * 86_400 + Int64(hour * 3600 + minute * 60 + second)
        let microseconds = (seconds - Int64(offset)) * 1_000_000 + Int64(fraction)
        return Timestamp.writable.contains(microseconds) ? Timestamp(microseconds: microseconds) : nil
    }

    private func byte(_ position: Int, _ expected: Unicode.Scalar) -> Bool {
        position < bytes.count && bytes[position] == UInt8(ascii: expected)
    }

    private func digits(_ start: Int, _ count: Int) -> Int? {
        guard start + count <= bytes.count else { return nil }
        var value = 0
        for byte in bytes[start..<start + count] {
            guard byte >= 0x30, byte <= 0x39 else { return nil }
            value = value * 10 + Int(byte - 0x30)
        }
        return value
    }

    /// Microseconds of the fraction at `position`, moving past it; 0 when there is none.
    private func fraction(_ position: inout Int) -> Int? {
        guard byte(position, ".") else { return 0 }
        position += 1
        var value = 0
        var count = 0
        while let digit = digits(position, 1) {
            if count < 6 { value = value * 10 + digit }
            count += 1
            position += 1
        }
        guard count > 0 else { return nil }
        for _ in min(count, 6)..<6 { value *= 10 }
        return value
    }

    /// Seconds east of UTC of the zone that ends the text.
    private func offset(_ position: Int) -> Int? {
        if byte(position, "Z") || byte(position, "z") { return position + 1 == bytes.count ? 0 : nil }
        guard byte(position, "+") || byte(position, "-"), byte(position + 3, ":"),
            position + 6 == bytes.count,
            let hours = digits(position + 1, 2), let minutes = digits(position + 4, 2), hours < 24,
            minutes < 60
        else { return nil }
        return (byte(position, "-") ? -1 : 1) * (hours * 3600 + minutes * 60)
    }
}

private func padded(_ number: Int, to width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

extension Duration {
    /// The length as people say it: `45 s`, `12 min`, `5 h`, `3 days`.
    public var inWords: String {
        let seconds = max(0, components.seconds)
        return switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7200: "\(seconds / 60) min"
        case ..<172_800: "\(seconds / 3600) h"
        default: "\(seconds / 86_400) days"
        }
    }
}
