import Glibc
import Kernel
import Logging
import Reactor
import Synchronization

/// The line to systemd: one connection, shared by all who ask, opened when it is first needed and again after
/// it was lost.
///
/// Root speaks to systemd's own socket, anybody else over the system's bus. Everything that waits for an
/// answer when the connection is lost fails as unavailable, and nothing is sent again by itself: only the
/// caller knows whether asking twice does harm. Close it, or the reactor keeps it.
public actor SystemdBus {
    /// Where root reaches systemd without a bus between them.
    public static let privateSocket = "/run/systemd/private"
    /// How long a call may take.
    static let callLimit = Duration.seconds(25)
    /// How long the other side may take to answer at all once it is connected to.
    static let greetingLimit = Duration.seconds(5)
    /// How many calls may be unanswered; more callers are refused at once.
    static let maximumWaiting = 4096
    /// The pauses between attempts to connect again double from the first to the second.
    static let pauses: ClosedRange<Duration> = .milliseconds(50) ... .seconds(5)

    /// What is heard without asking.
    enum News: Sendable, Equatable {
        /// The unit has changed, has been loaded or is forgotten.
        case unit(String)
        /// Anything may have changed: the connection is there (again), or somebody else had systemd read its
        /// files.
        case everything
    }

    private let reactor: Reactor
    /// Nil for the system's bus.
    private let socket: String?
    private let logger: Logger
    private nonisolated let listeners = Mutex<[@Sendable (News) -> Void]>([])

    private var handle: BusHandle?
    private var interest: Reactor.Interest = []
    private var waiting: [UInt64: CheckedContinuation<[BusValue], any Error>] = [:]
    private var timer: (due: ContinuousClock.Instant, task: Task<Void, Never>)?
    private var pause = pauses.lowerBound
    private var reconnecting: Task<Void, Never>?
    private var isWatched = false
    private var isClosed = false
    /// The call whose answer shows that the other side is there.
    private var greeting: UInt64?
    private var greetingWatch: Task<Void, Never>?
    var jobs = JobBoard()
    /// The reload that has begun last, and the one that begins when it is over.
    var reloading: Task<Void, any Error>?
    var upcomingReload: Task<Void, any Error>?
    /// How many of our own reloads go on.
    var ownReloads = 0

    /// The reactor's thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

    /// A line that connects when it is first used.
    ///
    /// - Parameter socket: systemd's private socket, which takes only root; nil for the system's bus.
    public init(
        on reactor: Reactor, socket: String? = geteuid() == 0 ? SystemdBus.privateSocket : nil, logger: Logger
    ) {
        self.reactor = reactor
        self.socket = socket
        self.logger = logger
    }

    /// Calls `listener` on the reactor's thread with all that is heard from now on.
    nonisolated func listen(_ listener: @escaping @Sendable (News) -> Void) {
        listeners.withLock { $0.append(listener) }
    }

    /// Connects, and from now on again by itself whenever the connection is lost, so that news keep coming.
    func watch() {
        isWatched = true
        do throws(BusError) { try connect() } catch { reconnectLater() }
    }

    /// Calls a method and returns what it answers.
    func call(_ call: BusCall, limit: Duration = SystemdBus.callLimit) async throws -> [BusValue] {
        try connect()
        guard waiting.count < SystemdBus.maximumWaiting else {
            throw BusError.unanswered("\(waiting.count) calls wait already")
        }
        return try await withCheckedThrowingContinuation { continuation in
            do throws(BusError) {
                guard let cookie = try handle?.send(call, limit: limit) else {
                    throw .lost("it has just been lost")
                }
                waiting[cookie] = continuation
            } catch {
                continuation.resume(throwing: error)
            }
            attend()
        }
    }

    /// Closes the line for good; what waits fails.
    public func close() {
        isClosed = true
        reconnecting?.cancel()
        lose(.lost("it was closed"))
    }

    /// The same as a loss, for tests.
    func drop() { lose(.lost("it was dropped")) }

    /// Has a callback that belongs to no task run here.
    nonisolated func submit(_ body: @escaping @Sendable (isolated SystemdBus) -> Void) {
        reactor.submit { self.assumeIsolated { body($0) } }
    }

    func tell(_ news: News) {
        for listener in listeners.withLock({ $0 }) { listener(news) }
    }
}

// MARK: - The connection

extension SystemdBus {
    private func connect() throws(BusError) {
        guard !isClosed else { throw .lost("it was closed") }
        guard handle?.descriptor == nil else { return }
        handle = try BusHandle(privateSocket: socket)
        guard let descriptor = handle?.descriptor, descriptor >= 0 else {
            handle = nil
            throw .lost("it has no socket")
        }
        interest = .read
        reactor.watch(descriptor, for: interest) { _ in self.assumeIsolated { $0.attend() } }
        try greet()
        attend()
    }

    /// Asks for all signals, and for an answer that shows that the other side is there.
    private func greet() throws(BusError) {
        if socket == nil {
            let root = "/org/freedesktop/systemd1"
            for rule in ["path='\(root)'", "path_namespace='\(root)/unit'"] {
                _ = try handle?.send(.match(rule), limit: SystemdBus.callLimit)
            }
            _ = try handle?.send(BusCall("Subscribe"), limit: SystemdBus.callLimit)
        }
        greeting = try handle?.send(.ping, limit: SystemdBus.greetingLimit)
        // Before the two ends have agreed to speak, libsystemd's own limit is 90 s, whatever a call's is.
        greetingWatch = Task {
            do { try await Task.sleep(for: SystemdBus.greetingLimit) } catch { return }
            lose(.lost("it is connected to and says nothing"))
        }
    }

    /// Sends and receives what can be, and sees to when to look again.
    private func attend() {
        for event in handle?.process() ?? [] {
            switch event {
            case .answer(let cookie, let answer): take(answer, of: cookie)
            case .signal(let signal): take(signal)
            case .lost(let reason): return lose(reason)
            }
        }
        guard let descriptor = handle?.descriptor, let events = handle?.pollEvents else { return }
        var wanted: Reactor.Interest = []
        if events & Int32(POLLIN) != 0 { wanted.insert(.read) }
        if events & Int32(POLLOUT) != 0 { wanted.insert(.write) }
        if wanted != interest {
            interest = wanted
            reactor.change(descriptor, to: wanted)
        }
        setTimer()
    }

    private func setTimer() {
        guard let left = handle?.timeLeft else { return }
        let due = ContinuousClock.now + left
        if let timer, timer.due <= due { return }
        timer?.task.cancel()
        let task = Task {
            do { try await Task.sleep(until: due, clock: .continuous) } catch { return }
            timer = nil
            attend()
        }
        timer = (due, task)
    }

    private func take(_ answer: Result<[BusValue], BusError>, of cookie: UInt64) {
        if cookie == greeting {
            greeting = nil
            greetingWatch?.cancel()
            guard case .success = answer else { return }
            pause = SystemdBus.pauses.lowerBound
            tell(.everything)
        } else if let waiter = waiting.removeValue(forKey: cookie) {
            waiter.resume(with: answer.mapError { $0 as any Error })
        } else if case .failure(let reason) = answer {
            logger.warning("systemd refuses to tell of changes: \(reason)")
        }
    }

    private func take(_ signal: BusSignal) {
        switch signal.member {
        case "PropertiesChanged":
            if let unit = UnitPath.unit(at: signal.path) { tell(.unit(unit)) }
        case "UnitNew", "UnitRemoved":
            if let unit = signal.body.first?.text { tell(.unit(unit)) }
        case "JobRemoved":
            guard signal.body.count == 4, let job = signal.body[1].text, let result = signal.body[3].text
            else { return }
            jobs.finish(job, result)
            if let unit = signal.body[2].text { tell(.unit(unit)) }
        case "Reloading":
            if signal.body.first?.flag == false, ownReloads == 0 { tell(.everything) }
        default: break
        }
    }

    /// Gives the connection up and tells all who wait.
    private func lose(_ reason: BusError) {
        guard let descriptor = handle?.descriptor else { return }
        reactor.unwatch(descriptor)
        handle = nil
        timer?.task.cancel()
        timer = nil
        greetingWatch?.cancel()
        let waiters = waiting.values
        waiting = [:]
        for waiter in waiters { waiter.resume(throwing: reason) }
        jobs.fail(reason)
        if !isClosed { logger.warning("the connection to systemd is lost: \(reason)") }
        reconnectLater()
    }

    private func reconnectLater() {
        guard isWatched, !isClosed, reconnecting == nil else { return }
        reconnecting = Task {
            while !isClosed, handle?.descriptor == nil {
                let pause = self.pause
                self.pause = min(pause * 2, SystemdBus.pauses.upperBound)
                do { try await Task.sleep(for: pause) } catch { break }
                try? connect()
            }
            reconnecting = nil
        }
    }
}
