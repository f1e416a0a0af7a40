import Glibc
import ServiceLifecycle

/// Tells the supervisor again and again that the process works, and not when it does not: a process that
/// hangs is then killed and started anew (systemd's `WatchdogSec=`).
///
/// It says so only after each of its checks has returned, so that they are what is watched. Where no
/// supervisor asks for it (`WATCHDOG_USEC`), it does nothing.
public struct Watchdog: Service {
    private let period: Duration?
    private let notifier: SystemdNotifier
    private let checks: [@Sendable () async throws -> Void]

    /// - Parameter checks: each returns when a part of the process has shown that it works.
    public init(
        period: Duration? = Watchdog.period(), notifier: SystemdNotifier = SystemdNotifier(),
        checks: [@Sendable () async throws -> Void]
    ) {
        self.period = period
        self.notifier = notifier
        self.checks = checks
    }

    /// Half of the time that the supervisor waits for a sign of life; nil when it waits for none, or for one
    /// of another process.
    public static func period() -> Duration? {
        if let pid = getenv("WATCHDOG_PID"), String(cString: pid) != String(getpid()) { return nil }
        guard let text = getenv("WATCHDOG_USEC"), let microseconds = Int64(String(cString: text)),
            microseconds > 0
        else { return nil }
        return .microseconds(microseconds / 2)
    }

    public func run() async throws {
        guard let period else {
            try? await gracefulShutdown()
            return
        }
        // Also while the process leaves, which may take as long as its last requests do.
        try await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                for check in checks { try await check() }
                notifier.alive()
                try? await Task.sleep(for: period)
            }
        }
    }
}
