import Foundation
import TestSupport
import Testing

@testable import Kernel

@Suite("Timestamps")
struct TimestampTests {
    @Test(
        "an RFC 3339 date-time is the instant that it names",
        arguments: [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.000001Z", 1),
            ("1969-12-31T23:59:59.999999Z", -1),
            ("2000-02-29T12:34:56Z", 951_827_696_000_000),
            ("2026-01-31T10:00:00Z", 1_769_853_600_000_000),
            ("2026-01-31T15:30:00+05:30", 1_769_853_600_000_000),
            ("2026-01-31T02:00:00-08:00", 1_769_853_600_000_000),
            ("2026-01-31t10:00:00z", 1_769_853_600_000_000),
            ("2026-01-31T10:00:00-00:00", 1_769_853_600_000_000),
            ("2026-01-31T10:00:00.5Z", 1_769_853_600_500_000),
            ("2026-01-31T10:00:00.123456Z", 1_769_853_600_123_456),
            ("2026-01-31T10:00:00.123456999999999999999999999999Z", 1_769_853_600_123_456),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
            ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
            ("1900-03-01T00:00:00Z", -2_203_891_200_000_000),
        ] as [(String, Int64)])
    func accepted(text: String, microseconds: Int64) {
        #expect(Timestamp(rfc3339: text)?.microseconds == microseconds)
    }

    @Test(
        "what is no RFC 3339 date-time is refused",
        arguments: [
            "", "2026", "2026-01-31", "2026-01-31T10:00:00", "2026-01-31 10:00:00Z", "2026-01-31T10:00Z",
            "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-02-30T00:00:00Z", "2026-04-31T00:00:00Z",
            "2026-00-10T00:00:00Z", "2026-13-10T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z",
            "0000-01-01T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T10:60:00Z", "2026-01-31T10:00:61Z",
            "2026-01-31T10:00:00.Z", "2026-01-31T10:00:00,5Z", "2026-01-31T10:00:00+5:30",
            "2026-01-31T10:00:00+0530", "2026-01-31T10:00:00+24:00", "2026-01-31T10:00:00+05:60",
            "2026-01-31T10:00:00Z ", " 2026-01-31T10:00:00Z", "2026-01-31T10:00:00ZZ", "+026-01-31T10:00:00Z",
            "2026-1-31T10:00:00Z", "12026-01-31T10:00:00Z", "２０２６-01-31T10:00:00Z",
            "2026-01-31T10:00:00\u{0}",
            "-001-01-31T10:00:00Z", "2026-01-31T1a:00:00Z",
        ])
    func refused(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test(
        "an offset that carries an instant out of the years 1 to 9999 is refused, since no text would name it"
    )
    func beyondTheYears() {
        #expect(Timestamp(rfc3339: "0001-01-01T00:00:00+00:01") == nil)
        #expect(Timestamp(rfc3339: "9999-12-31T23:59:59-00:01") == nil)
        #expect(Timestamp(rfc3339: "9999-12-31T23:59:60Z") == nil)
        #expect(Timestamp(rfc3339: "0001-01-01T00:01:00+00:01") != nil)
    }

    @Test("every prefix of a date-time is refused without a trap")
    func prefixes() {
        let text = "2026-01-31T10:00:00.123456+05:30"
        for length in 0..<text.count { #expect(Timestamp(rfc3339: text.prefix(length)) == nil) }
    }

    @Test("what is written reads back as itself, and is what Foundation writes")
    func roundTrip() throws {
        var generator = SeededGenerator(seed: 7)
        let years: ClosedRange<Int64> = -62_135_596_800_000_000...253_402_300_799_999_999
        for _ in 0..<5000 {
            let instant = Timestamp(microseconds: Int64.random(in: years, using: &generator))
            #expect(Timestamp(rfc3339: instant.description) == instant)
        }
        for _ in 0..<2000 {
            let second = Int64.random(in: -2_208_988_800...4_102_444_800, using: &generator)
            let expected = Date(timeIntervalSince1970: Double(second)).formatted(.iso8601)
            #expect(Timestamp(microseconds: second * 1_000_000).description == expected)
        }
    }

    @Test("each day has one number, and the next day the next")
    func everyDay() throws {
        var expected = try #require(CivilDate(year: 1896, month: 1, day: 1)).daysSinceEpoch
        for year in 1896...2104 {
            for month in 1...12 {
                for day in 1...31 {
                    guard let date = CivilDate(year: year, month: month, day: day) else { continue }
                    #expect(date.daysSinceEpoch == expected)
                    #expect(CivilDate(daysSinceEpoch: expected).description == date.description)
                    expected += 1
                }
            }
        }
    }

    @Test("instants at the ends of the number line can be written down")
    func extremes() {
        #expect(Timestamp(microseconds: .max).description.hasSuffix("Z"))
        #expect(Timestamp(microseconds: .min).description.hasSuffix("Z"))
    }

    @Test("a day that does not exist is none")
    func days() {
        #expect(Timestamp(year: 2024, month: 2, day: 29) != nil)
        #expect(Timestamp(year: 2023, month: 2, day: 29) == nil)
        #expect(Timestamp(year: 2023, month: 2, day: 0) == nil)
        #expect(Timestamp(year: 10_000, month: 1, day: 1) == nil)
        #expect(Timestamp(year: 1970, month: 1, day: 2)?.microseconds == 86_400_000_000)
    }

    @Test("durations add and subtract to the microsecond")
    func arithmetic() {
        let instant = Timestamp(microseconds: 5)
        #expect(instant + .milliseconds(2) == Timestamp(microseconds: 2005))
        #expect(instant - .microseconds(6) == Timestamp(microseconds: -1))
        #expect(instant - Timestamp(microseconds: 2) == .microseconds(3))
        #expect(Duration.milliseconds(1500).inSeconds == 1.5)
    }

    @Test("in JSON an instant is its RFC 3339 text, and an impossible one is an error")
    func json() throws {
        let instant = Timestamp(microseconds: 1_769_853_600_000_000)
        let data = try JSONEncoder().encode([instant])
        #expect(String(decoding: data, as: UTF8.self) == #"["2026-01-31T10:00:00Z"]"#)
        #expect(try JSONDecoder().decode([Timestamp].self, from: data) == [instant])
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([Timestamp].self, from: Data(#"["2026-02-30T10:00:00Z"]"#.utf8))
        }
    }

    @Test("a day is written as ISO 8601 has it, and knows its month")
    func calendarDays() throws {
        let day = try #require(Day("2024-02-29"))
        #expect(day.description == "2024-02-29" && day.month == "2024-02" && day.dayOfMonth == 29)
        #expect(day.firstOfMonth.description == "2024-02-01")
        #expect(day.adding(days: 1).description == "2024-03-01")
        #expect(day.adding(days: -366).description == "2023-02-28")
        #expect(Day(utc: Timestamp(microseconds: -1)).description == "1969-12-31")
        #expect(Day(year: 2024, month: 2, day: 29) == day)
        for text in ["2023-02-29", "2024-2-29", "2024-02-29T", "20240229", "", "2024-02-29Z"] {
            #expect(Day(text) == nil, "\(text)")
        }
    }
}
