import Kernel
import Reactor

/// One connection to Redis, shared by any number of callers: their commands go out together, in the order
/// they came, and each caller gets its own replies.
///
/// It lives on its reactor's thread, without locks. Once lost it stays lost (`RedisClient` makes another),
/// and all who wait get the reason. Close it, or the reactor keeps it.
public actor RedisConnection {
    /// How many replies may be outstanding; more callers get `RedisError.limit` at once.
    public static let maximumWaiting = 65_536

    private typealias Waiter = CheckedContinuation<[RedisValue], any Error>

    private let reactor: Reactor
    private let timeout: Duration
    private var context: RedisContext?
    private var waiting = ReplyQueue<Waiter>()
    private var loss: RedisError?
    private var watchdog: Task<Void, Never>?
    /// Commands were added since the last flush.
    private var isDirty = false
    /// The socket was full: the reactor tells when it has room.
    private var awaitsRoom = false

    /// The reactor's thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

    private init(_ configuration: RedisConfiguration, on reactor: Reactor) throws(RedisError) {
        context = try RedisContext(socket: configuration.socket)
        timeout = configuration.commandTimeout
        self.reactor = reactor
    }

    /// Connects and, where the configuration has a user or a password, authenticates.
    public static func connect(
        _ configuration: RedisConfiguration, on reactor: Reactor
    ) async throws -> RedisConnection {
        let connection = try RedisConnection(configuration, on: reactor)
        await connection.start()
        do {
            try await connection.authenticate(configuration)
        } catch {
            await connection.close()
            throw error
        }
        return connection
    }

    /// Whether the connection was lost or closed.
    public var isClosed: Bool { loss != nil }

    /// Carries out one command; its arguments may hold any bytes.
    @discardableResult
    public func send(_ arguments: [[UInt8]]) async throws -> RedisValue {
        try await pipeline([arguments])[0].refusalThrown()
    }

    /// Carries out one command of text.
    @discardableResult
    public func send(_ arguments: String...) async throws -> RedisValue {
        try await send(arguments.map { Array($0.utf8) })
    }

    /// Carries out commands in order, in one go; a refused one has `RedisValue.error` in its place and does
    /// not stop the others.
    ///
    /// A task that is cancelled while it waits still gets its replies: what was sent cannot be taken back.
    public func pipeline(_ commands: [[[UInt8]]]) async throws -> [RedisValue] {
        precondition(commands.allSatisfy { !$0.isEmpty }, "a command has a name")
        guard !commands.isEmpty else { return [] }
        try Task.checkCancellation()
        if let loss { throw loss }
        guard waiting.missing + commands.count <= RedisConnection.maximumWaiting else {
            throw RedisError.limit(waiting.missing)
        }
        do throws(RedisError) {
            for command in commands { try context?.append(command) }
        } catch {
            lose(error)
            throw error
        }
        isDirty = true
        return try await withCheckedThrowingContinuation { continuation in
            waiting.expect(commands.count, by: .now + timeout, for: continuation)
            watchDeadlines()
        }
    }

    /// Closes the connection; commands in flight fail.
    public func close() { lose(.connection("it was closed")) }
}

// MARK: - The socket

extension RedisConnection {
    private func start() {
        guard let descriptor = context?.descriptor else { return }
        reactor.watch(descriptor, for: .read) { found in self.assumeIsolated { $0.ready(for: found) } }
        reactor.beforeWaiting(self) { self.assumeIsolated { $0.flush() } }
    }

    private func authenticate(_ configuration: RedisConfiguration) async throws {
        let password = configuration.password?.reveal()
        switch configuration.user {
        case let user?: try await send("AUTH", user, password ?? "")
        case nil: if let password { try await send("AUTH", password) }
        }
    }

    private func ready(for found: Reactor.Interest) {
        if found.contains(.write) { write() }
        if !found.isDisjoint(with: [.read, .trouble]) { receive() }
    }

    /// Writes what callers have added, together: this runs when the reactor has no more jobs.
    private func flush() {
        if isDirty, !awaitsRoom { write() }
    }

    private func write() {
        isDirty = false
        do throws(RedisError) {
            let isFull = try context?.flush() == false
            guard isFull != awaitsRoom, let descriptor = context?.descriptor else { return }
            awaitsRoom = isFull
            reactor.change(descriptor, to: isFull ? [.read, .write] : .read)
        } catch {
            lose(error)
        }
    }

    private func receive() {
        do throws(RedisError) {
            try context?.fill()
            while let reply = try context?.nextReply() {
                switch waiting.receive(reply) {
                case .complete(let waiter, let replies): waiter.resume(returning: replies)
                case .partial: break
                case .unexpected: throw RedisError.connection("an answer without a question: \(reply)")
                }
            }
        } catch {
            lose(error)
        }
    }

    /// Gives the connection up and tells all who wait.
    private func lose(_ reason: RedisError) {
        guard loss == nil else { return }
        loss = reason
        if let descriptor = context?.descriptor { reactor.unwatch(descriptor) }
        reactor.forgetHook(of: self)
        context = nil
        watchdog?.cancel()
        for waiter in waiting.drain() { waiter.resume(throwing: reason) }
    }
}

// MARK: - Time

extension RedisConnection {
    /// Has one task look after the deadlines of all who wait; it ends when nobody does.
    private func watchDeadlines() {
        guard watchdog == nil else { return }
        watchdog = Task {
            while let deadline = waiting.oldestDeadline {
                try? await Task.sleep(until: deadline, clock: .continuous)
                loseIfLate()
            }
            watchdog = nil
        }
    }

    private func loseIfLate() {
        guard isLate else { return }
        // The answer may be here, unread because this thread was busy.
        receive()
        if isLate { lose(.timeout) }
    }

    private var isLate: Bool { waiting.oldestDeadline.map { $0 <= .now } ?? false }
}
