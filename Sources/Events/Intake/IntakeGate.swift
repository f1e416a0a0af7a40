import Contract
import Glibc
import Kernel
import ServiceLifecycle
import Synchronization

/// Decides whether more events may come in: not beyond the stream's limit, and not when a disk that events
/// are written to is nearly full. Under `appendfsync always` a Redis whose disk is full exits, for every
/// brand.
public final class IntakeGate: Service {
    /// Free bytes below which a file system counts as nearly full.
    public static let lowDiskBytes = InstanceConfiguration.lowDiskBytes
    /// How often the stream and the disks are measured.
    static let period = Duration.milliseconds(500)

    /// Where the events wait.
    public let stream: EventStream
    private let directories: [String]
    private let state: Mutex<State>

    private let limit: @Sendable () -> Int

    /// What may have come in while the stream was measured is counted beside the measure, and forgotten only
    /// with the next one: a measure never makes room that is not there.
    private struct State {
        /// The stream's last length, less what has been removed since.
        var measured = 0
        /// Appended since the last measure began.
        var appended = 0
        /// On their way into the stream.
        var entering = 0
        var isDiskNearlyFull = false

        var waiting: Int { max(0, measured + appended + entering) }
    }

    /// - Parameters:
    ///   - limit: how many events may wait at present.
    ///   - directories: those whose file systems events are written to.
    public init(
        stream: EventStream, limit: @escaping @Sendable () -> Int, watching directories: [String]
    ) {
        self.stream = stream
        self.limit = limit
        self.directories = directories
        state = Mutex(State())
    }

    /// Takes room for `count` events.
    ///
    /// - Throws: `Fault.unavailable` with a time to wait when there is none.
    func enter(_ count: Int) throws {
        let limit = limit()
        try state.withLock { state in
            if state.isDiskNearlyFull {
                throw Fault(
                    .unavailable, doing: "accept the events",
                    "a disk that events are written to is nearly full",
                    retryAfter: .seconds(30))
            }
            guard state.waiting + count <= limit else {
                throw Fault(
                    .unavailable, doing: "accept the events",
                    "\(state.waiting) events wait to be stored, and the limit is \(limit)",
                    retryAfter: .seconds(2))
            }
            state.entering += count
        }
    }

    /// Tells what became of `count` events that had entered.
    func settle(_ count: Int, areAppended: Bool) {
        state.withLock { state in
            state.entering -= count
            if areAppended { state.appended += count }
        }
    }

    /// Tells that `count` events are no longer in the stream.
    func leave(_ count: Int) {
        state.withLock { $0.measured -= count }
    }

    /// How many events wait to be committed: the last measure of the stream, and what has come in since.
    public var waiting: Int { state.withLock { $0.waiting } }

    /// How many events may wait at present.
    public var maximumWaiting: Int { limit() }

    /// Whether a disk that events are written to was nearly full at the last measure.
    public var isDiskNearlyFull: Bool { state.withLock { $0.isDiskNearlyFull } }

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
        let full = directories.contains { IntakeGate.freeBytes(at: $0) < IntakeGate.lowDiskBytes }
        let earlier = state.withLock { $0.appended }
        let length = try? await stream.length()
        state.withLock { state in
            state.isDiskNearlyFull = full
            if let length {
                state.measured = length
                state.appended -= earlier
            }
        }
    }

    /// Bytes that an unprivileged process may still write; a directory that cannot be asked counts as roomy,
    /// since whoever writes there will say so.
    package static func freeBytes(at directory: String) -> UInt64 {
        var information = statvfs()
        guard statvfs(directory, &information) == 0 else { return .max }
        return UInt64(information.f_bavail) * UInt64(information.f_frsize)
    }
}
