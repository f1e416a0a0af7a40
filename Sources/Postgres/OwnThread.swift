import Glibc

/// Runs `work`, which blocks, on a short-lived thread of its own, and returns what it returns.
///
/// libpq 15 connects, looks up names and cancels only in calls that block: on a reactor they would stop every
/// connection, and in the shared thread pool everything else.
func onOwnThread<T: Sendable>(_ work: @escaping @Sendable () -> T) async -> T {
    await withCheckedContinuation { continuation in
        startThread { continuation.resume(returning: work()) }
    }
}

/// Starts a thread that runs `work` and ends.
func startThread(_ work: @escaping @Sendable () -> Void) {
    let box = Unmanaged.passRetained(ThreadWork(work))
    var thread = pthread_t()
    let failure = pthread_create(
        &thread, nil,
        { context in
            guard let context else { return nil }
            blockBrokenPipes()
            Unmanaged<ThreadWork>.fromOpaque(context).takeRetainedValue().run()
            return nil
        }, box.toOpaque())
    guard failure == 0 else {
        // Without a thread to spare, late is better than never.
        box.takeRetainedValue().run()
        return
    }
    pthread_detach(thread)
}

private final class ThreadWork: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// A peer that closes early must not end the process: `PQcancel` writes without `MSG_NOSIGNAL`.
private func blockBrokenPipes() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
}
