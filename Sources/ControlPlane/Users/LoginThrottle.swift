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

    private let windows = Mutex(FailureWindows())
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
                if let wait = windows.wait(name, limit: limit, at: now) { return wait }
            }
            for (name, _) in limits { windows.count(name, at: now) }
            return nil
        }
        if let wait {
            throw Fault(.limited, doing: "log in", "too many failed logins", retryAfter: wait)
        }
    }

    /// Takes a successful try back, and the earlier failures of its e-mail address.
    func forgive(email: String, address: String) {
        windows.withLock { windows in
            windows.forget("email \(email)")
            windows.uncount("address \(address)")
        }
    }
}
