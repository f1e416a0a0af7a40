import Foundation
import Kernel

/// Reads dates as files have them.
///
/// The formatters are lenient, since a day may begin at one o'clock where the clocks leap at midnight; but a
/// value must read back as itself, so that no leniency makes a date of `19970230` or `1997-1-1x`.
struct ImportDates {
    /// Tried in this order where no format is given, after RFC 3339.
    static let usualFormats = [
        "yyyyMMdd", "yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd HH:mm",
    ]

    /// Seconds from 1970 to the end of the year 9999: a formatter reads years of any length.
    private static let farthestSeconds = 253_402_300_800.0

    private let formatters: [DateFormatter]
    private let readsRFC3339: Bool

    /// - Parameters:
    ///   - format: a Unicode date pattern (UTS 35); nil to try RFC 3339 and `usualFormats`.
    ///   - timeZone: for values that name no zone.
    init(format: String?, timeZone: TimeZone) {
        formatters = (format.map { [$0] } ?? ImportDates.usualFormats).map { pattern in
            let formatter = DateFormatter()
            formatter.locale = Locale(identifier: "en_US_POSIX")
            formatter.calendar = Calendar(identifier: .gregorian)
            formatter.timeZone = timeZone
            formatter.isLenient = true
            formatter.dateFormat = pattern
            return formatter
        }
        readsRFC3339 = format == nil
    }

    /// The instant that `text` names; nil when it names none.
    func instant(_ text: String) -> Timestamp? {
        if readsRFC3339, let instant = Timestamp(rfc3339: text) { return instant }
        for formatter in formatters {
            guard let date = formatter.date(from: text), formatter.string(from: date) == text else {
                continue
            }
            let seconds = date.timeIntervalSince1970
            guard abs(seconds) < ImportDates.farthestSeconds else { return nil }
            return Timestamp(microseconds: Int64((seconds * 1_000_000).rounded()))
        }
        return nil
    }
}
