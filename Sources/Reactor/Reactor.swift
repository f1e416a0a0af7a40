import CLinux
import Glibc
import Synchronization

/// One thread that runs actors and watches file descriptors: a driver's actor, its connection's callbacks and
/// its socket's readiness all happen here, so a driver needs no lock.
///
/// An actor takes it as its executor (`unownedExecutor`). Callbacks of `watch` run on the thread between jobs
/// and enter their actor with `assumeIsolated`. A reactor lives as long as the process: make one, share it.
public final class Reactor: SerialExecutor, @unchecked Sendable {
    /// What a descriptor is watched for, and what was found.
    public struct Interest: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// Bytes to read, or the peer has closed.
        public static let read = Interest(rawValue: EPOLLIN.rawValue)
        /// Room to write.
        public static let write = Interest(rawValue: EPOLLOUT.rawValue)
        /// An error or a hang-up; always reported, never asked for.
        public static let trouble = Interest(rawValue: EPOLLERR.rawValue | EPOLLHUP.rawValue)
    }

    /// Runs on the reactor's thread with what the descriptor is ready for.
    public typealias Handler = (Interest) -> Void

    private let epoll: Int32
    private let wake: Int32
    private let queue = Mutex(Queue())
    /// Only the thread touches these two.
    private var handlers: [Int32: Handler] = [:]
    private var idleHooks: [ObjectIdentifier: () -> Void] = [:]
    private var thread: pthread_t = 0

    private struct Queue {
        var work: [Work] = []
        var sleeping = false
    }

    private enum Work {
        case job(UnownedJob)
        case call(@Sendable () -> Void)
    }

    /// Starts the thread.
    public init() {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        wake = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        precondition(epoll >= 0 && wake >= 0, "the process has no descriptors left for a reactor")
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(fd: wake))
        epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event)
        let context = Unmanaged.passRetained(self).toOpaque()
        pthread_create(
            &thread, nil,
            { context in
                Unmanaged<Reactor>.fromOpaque(context!).takeUnretainedValue().run()
                return nil
            }, context)
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        enqueue(.job(UnownedJob(job)))
    }

    /// Calls `call` on the thread, after what was enqueued before it. For callers that are in no task, such
    /// as a cancellation handler; it enters its actor with `assumeIsolated`.
    public func submit(_ call: @escaping @Sendable () -> Void) {
        enqueue(.call(call))
    }

    /// Returns once the thread has come round: one that hangs does not return.
    public func takeTurn() async {
        await withCheckedContinuation { continuation in submit { continuation.resume() } }
    }

    private func enqueue(_ work: Work) {
        let mustWake = queue.withLock { queue in
            queue.work.append(work)
            defer { queue.sleeping = false }
            return queue.sleeping
        }
        if mustWake { eventfd_write(wake, 1) }
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    public func checkIsolated() {
        precondition(isOnThread, "this must run on its reactor")
    }

    public func isIsolatingCurrentContext() -> Bool? { isOnThread }

    private var isOnThread: Bool { pthread_equal(pthread_self(), thread) != 0 }
}

// MARK: - Descriptors; all of these are called on the reactor's thread

extension Reactor {
    /// Calls `handler` whenever `descriptor` is ready for `interest` (level-triggered), until `unwatch`.
    public func watch(_ descriptor: Int32, for interest: Interest, _ handler: @escaping Handler) {
        checkIsolated()
        let known = handlers.updateValue(handler, forKey: descriptor) != nil
        control(known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, descriptor, interest)
    }

    /// Changes what a watched descriptor is watched for.
    public func change(_ descriptor: Int32, to interest: Interest) {
        checkIsolated()
        guard handlers[descriptor] != nil else { return }
        control(EPOLL_CTL_MOD, descriptor, interest)
    }

    /// Stops watching. Call it before the descriptor is closed, or at the latest in the same turn: the kernel
    /// may give the number to someone else.
    public func unwatch(_ descriptor: Int32) {
        checkIsolated()
        guard handlers.removeValue(forKey: descriptor) != nil else { return }
        epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nil)
    }

    /// Calls `hook` each time the thread has run all jobs and before it waits: the moment to flush what
    /// several callers have written. One hook for each owner.
    public func beforeWaiting(_ owner: AnyObject, _ hook: @escaping () -> Void) {
        checkIsolated()
        idleHooks[ObjectIdentifier(owner)] = hook
    }

    /// Takes back the hook of `owner`.
    public func forgetHook(of owner: AnyObject) {
        checkIsolated()
        idleHooks[ObjectIdentifier(owner)] = nil
    }

    private func control(_ operation: Int32, _ descriptor: Int32, _ interest: Interest) {
        var event = epoll_event(events: interest.rawValue, data: epoll_data_t(fd: descriptor))
        epoll_ctl(epoll, operation, descriptor, &event)
    }
}

// MARK: - The thread

extension Reactor {
    private func run() {
        blockBrokenPipes()
        let capacity = 256
        let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: capacity)
        while true {
            runWork()
            for hook in idleHooks.values { hook() }
            let mayWait = queue.withLock { queue in
                queue.sleeping = queue.work.isEmpty
                return queue.sleeping
            }
            let count = epoll_wait(epoll, events, Int32(capacity), mayWait ? -1 : 0)
            queue.withLock { $0.sleeping = false }
            for index in 0..<max(0, Int(count)) { deliver(events[index]) }
        }
    }

    /// Runs what is enqueued and what that enqueues, but only so many rounds of it: jobs that keep calling
    /// each other must not starve the descriptors.
    private func runWork() {
        let maximumRounds = 32
        for _ in 0..<maximumRounds {
            let work = queue.withLock { queue in
                let work = queue.work
                queue.work = []
                return work
            }
            if work.isEmpty { return }
            for item in work {
                switch item {
                case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
                case .call(let call): call()
                }
            }
        }
    }

    /// Writing to a peer that has gone is an error of that write, not the end of the process.
    private func blockBrokenPipes() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    private func deliver(_ event: epoll_event) {
        if event.data.fd == wake {
            var count: eventfd_t = 0
            eventfd_read(wake, &count)
            return
        }
        // An earlier handler of this round may have stopped watching this descriptor.
        handlers[event.data.fd]?(Interest(rawValue: event.events))
    }
}
