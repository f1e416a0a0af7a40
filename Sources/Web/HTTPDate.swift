import Glibc
import Kernel
import Synchronization

/// Dates in headers (RFC 9110, section 5.6.7).
public enum HTTPDate {
    private static let cache = Mutex<(second: time_t, text: String)>((0, ""))

    /// An instant, to the second.
    public static func text(_ instant: Timestamp) -> String {
        format(time_t(instant.microseconds / 1_000_000))
    }

    /// The present, formatted once a second.
    static func now() -> String {
        let second = time(nil)
        return cache.withLock { cache in
            if cache.second != second { cache = (second, format(second)) }
            return cache.text
        }
    }

    /// `strftime` in the C locale, which the process never leaves.
    private static func format(_ second: time_t) -> String {
        var second = second
        var parts = tm()
        gmtime_r(&second, &parts)
        return String(unsafeUninitializedCapacity: 40) { buffer in
            buffer.withMemoryRebound(to: CChar.self) {
                strftime($0.baseAddress!, 40, "%a, %d %b %Y %H:%M:%S GMT", &parts)
            }
        }
    }
}
