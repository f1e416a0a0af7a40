import Glibc
import Synchronization

/// The `Date` header, formatted once a second (RFC 9110, section 5.6.7).
enum HTTPDate {
    private static let cache = Mutex<(second: time_t, text: String)>((0, ""))

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
