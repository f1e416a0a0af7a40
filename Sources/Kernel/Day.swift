/// A day of the calendar, in whatever time zone the report is made for: `2026-01-31`.
public struct Day: Hashable, Sendable, Comparable {
    /// The day's midnight, as if it were in UTC: what orders days and counts between them.
    public let midnight: Timestamp

    public init?(year: Int, month: Int, day: Int) {
        guard let midnight = Timestamp(year: year, month: month, day: day) else { return nil }
        self.midnight = midnight
    }

    /// Parses what `description` writes; nil for anything else, also for a day that does not exist.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 10, let midnight = Timestamp(rfc3339: "\(text)T00:00:00Z") else {
            return nil
        }
        self.midnight = midnight
    }

    /// The day that `instant` lies in, in UTC.
    public init(utc instant: Timestamp) {
        let length = Timestamp.microsecondsPerDay
        let rest = instant.microseconds % length
        midnight = Timestamp(microseconds: instant.microseconds - (rest < 0 ? rest + length : rest))
    }

    /// The day `days` after this one.
    public func adding(days: Int) -> Day { Day(utc: midnight + .seconds(Int64(days) * 86_400)) }

    /// The first day of the month that the day is in.
    public var firstOfMonth: Day { adding(days: 1 - dayOfMonth) }

    /// The day's number in its month, from 1.
    public var dayOfMonth: Int { Int(description.suffix(2)) ?? 1 }

    /// The month alone: `2026-01`.
    public var month: String { String(description.prefix(7)) }

    public static func < (left: Day, right: Day) -> Bool { left.midnight < right.midnight }
}

extension Day: CustomStringConvertible {
    /// ISO 8601: `2026-01-31`.
    public var description: String { String(midnight.description.prefix(10)) }
}

extension Day: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let day = try Day(container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "expected a day such as 2026-01-31")
        }
        self = day
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
