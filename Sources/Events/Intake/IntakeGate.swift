import Glibc
import Kernel
import ServiceLifecycle
import Synchronization

/// Decides whether more events may come in: not beyond the stream's limit, and not when a disk that events
/// are written to is nearly full. Under `appendfsync always` a Redis whose disk is full exits, for every
/// brand.
public final class IntakeGate: Service {
    /// Free bytes below which a file system counts as nearly full.
    public static let lowDiskBytes: UInt64 = 256 * 1024 * 1024
    /// How often the stream and the disks are measured.
    static let period = Duration.milliseconds(500)

    private let stream: EventStream
    private let directories: [String]
    private let state: Mutex<State>

    private struct State {
        var limit: Int
        var waiting = 0
        var fullDirectory: String?
    }

    public init(stream: EventStream, limit: Int, watching directories: [String]) {
        self.stream = stream
        self.directories = directories
        state = Mutex(State(limit: limit))
    }

    /// Takes room for `count` events.
    ///
    /// - Throws: `Fault.unavailable` with a time to wait when there is none.
    func enter(_ count: Int) throws {
        try state.withLock { state in
            if let directory = state.fullDirectory {
                throw Fault(
                    .unavailable, doing: "accept the events", "the disk of \(directory) is nearly full",
                    retryAfter: .seconds(30))
            }
            guard state.waiting + count <= state.limit else {
                throw Fault(
                    .unavailable, doing: "accept the events",
                    "\(state.waiting) events wait to be stored, and the limit is \(state.limit)",
                    retryAfter: .seconds(2))
            }
            state.waiting += count
        }
    }

    /// Tells that `count` events are no longer in the stream, or never got there.
    func leave(_ count: Int) {
        state.withLock { $0.waiting = max(0, $0.waiting - count) }
    }

    /// Changes how many events may wait.
    public func setLimit(_ limit: Int) { state.withLock { $0.limit = limit } }

    /// The last measure of the stream, counting what has come in since.
    public var waiting: Int { state.withLock { $0.waiting } }

    /// The directory whose disk is nearly full, if there is one.
    public var fullDirectory: String? { state.withLock { $0.fullDirectory } }

    /// Measures again and again until a graceful shutdown.
    public func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            while !Task.isCancelled {
                await measure()
                try? await Task.sleep(for: IntakeGate.period)
            }
        }
    }

    private func measure() async {
        let full = directories.first { IntakeGate.freeBytes(at: $0) < IntakeGate.lowDiskBytes }
        let length = try? await stream.length()
        state.withLock { state in
            state.fullDirectory = full
            if let length { state.waiting = length }
        }
    }

    /// Bytes that an unprivileged process may still write; a directory that cannot be asked counts as roomy,
    /// since whoever writes there will say so.
    private static func freeBytes(at directory: String) -> UInt64 {
        var information = statvfs()
        guard statvfs(directory, &information) == 0 else { return .max }
        return UInt64(information.f_bavail) * UInt64(information.f_frsize)
    }
}
