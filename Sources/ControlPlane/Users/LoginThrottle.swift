import Kernel
import Synchronization

/// Bounds how often passwords can be guessed: by e-mail address and by network address, in fixed windows.
///
/// It is in memory: a restart forgives, which an attacker cannot cause. Known and unknown users count alike,
/// so that being throttled tells nothing.
final class LoginThrottle: Sendable {
    /// Failures in one window, for one e-mail address and for one network address.
    static let failuresPerEmail = 10
    static let failuresPerAddress = 50
    static let window = Duration.seconds(15 * 60)
    /// Windows that are remembered; beyond it the oldest are forgotten.
    static let maximumWindows = 20_000

    private struct Window {
        var start: Timestamp
        var failures: Int
    }

    private let windows = Mutex<[String: Window]>([:])
    private let clock: any WallClock

    init(clock: any WallClock) { self.clock = clock }

    /// Counts a try, which `forgive` takes back if it succeeds.
    ///
    /// - Throws: `Fault.limited` with the time until the window ends.
    func admit(email: String, address: String) throws(Fault) {
        let now = clock.now()
        let limits = [
            ("email \(email)", LoginThrottle.failuresPerEmail),
            ("address \(address)", LoginThrottle.failuresPerAddress),
        ]
        let wait: Duration? = windows.withLock { windows in
            for (name, limit) in limits {
                guard let window = windows[name], now - window.start < LoginThrottle.window else { continue }
                if window.failures >= limit { return LoginThrottle.window - (now - window.start) }
            }
            LoginThrottle.makeRoom(in: &windows, now: now)
            for (name, _) in limits {
                var window = windows[name] ?? Window(start: now, failures: 0)
                if now - window.start >= LoginThrottle.window { window = Window(start: now, failures: 0) }
                window.failures += 1
                windows[name] = window
            }
            return nil
        }
        if let wait {
            throw Fault(.limited, doing: "log in", "too many failed logins", retryAfter: wait)
        }
    }

    /// Takes a successful try back, and the earlier failures of its e-mail address.
    func forgive(email: String, address: String) {
        windows.withLock { windows in
            windows["email \(email)"] = nil
            windows["address \(address)"]?.failures -= 1
        }
    }

    private static func makeRoom(in windows: inout [String: Window], now: Timestamp) {
        guard windows.count >= maximumWindows else { return }
        windows = windows.filter { now - $0.value.start < window }
        guard windows.count >= maximumWindows else { return }
        let oldest = windows.sorted { $0.value.start < $1.value.start }.prefix(maximumWindows / 10)
        for (name, _) in oldest { windows[name] = nil }
    }
}
