import Kernel

/// Counts failures by name in fixed windows of time, in bounded memory: beyond its limit the oldest windows
/// are forgotten.
struct FailureWindows: Sendable {
    static let length = Duration.seconds(15 * 60)
    /// Windows that are remembered.
    static let maximum = 20_000

    private struct Window {
        var start: Timestamp
        var failures: Int
    }

    private var windows: [String: Window] = [:]

    /// How long until `name` may fail again; nil while it has failed fewer than `limit` times.
    func wait(_ name: String, limit: Int, at now: Timestamp) -> Duration? {
        guard let window = windows[name], now - window.start < FailureWindows.length,
            window.failures >= limit
        else { return nil }
        return FailureWindows.length - (now - window.start)
    }

    /// Counts a failure of `name`.
    mutating func count(_ name: String, at now: Timestamp) {
        makeRoom(now)
        var window = windows[name] ?? Window(start: now, failures: 0)
        if now - window.start >= FailureWindows.length { window = Window(start: now, failures: 0) }
        window.failures += 1
        windows[name] = window
    }

    /// Takes one failure of `name` back.
    mutating func uncount(_ name: String) { windows[name]?.failures -= 1 }

    /// Takes all failures of `name` back.
    mutating func forget(_ name: String) { windows[name] = nil }

    private mutating func makeRoom(_ now: Timestamp) {
        guard windows.count >= FailureWindows.maximum else { return }
        windows = windows.filter { now - $0.value.start < FailureWindows.length }
        guard windows.count >= FailureWindows.maximum else { return }
        let oldest = windows.sorted { $0.value.start < $1.value.start }.prefix(FailureWindows.maximum / 10)
        for (name, _) in oldest { windows[name] = nil }
    }
}
