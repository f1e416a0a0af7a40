import Kernel
import Logging
import Reactor

/// A limited number of connections to one database, each lent to one caller at a time.
///
/// Who finds none free waits, in order; a wait that is too long, or behind too many others, is
/// `Fault.unavailable`. A connection that comes back lost, or with a transaction open, is closed and replaced
/// when it is next needed. What a session changes otherwise (`set`, advisory locks, temporary tables) is its
/// user's to undo.
public actor PostgresPool {
    /// How many callers may wait for a connection.
    public static let maximumWaiting = 1_000

    private enum Grant {
        case connection(PostgresConnection)
        /// The right to open one.
        case place
    }

    private let configuration: PostgresConfiguration
    private let maximum: Int
    private let reactor: Reactor
    private let patience: Duration
    private let logger: Logger
    private var idle: [PostgresConnection] = []
    /// How many of the idle ones, from the first on, have stayed idle since `closeUnneeded` was last called.
    private var unneeded = 0
    /// Connections that are open, or being opened.
    private var places = 0
    private var waiting = Queue<(id: UInt64, continuation: CheckedContinuation<Grant, any Error>)>()
    private var lastWaiter: UInt64 = 0
    private var isClosed = false
    private var refusals = 0

    /// How a pool is used at one moment.
    public struct Occupancy: Sendable, Equatable {
        /// Connections that are lent, or being opened.
        public var used: Int
        public var idle: Int
        /// Connections that may be open.
        public var maximum: Int
        /// Callers who wait for a connection.
        public var waiting: Int
        /// Callers who got none, since their wait was too long or too many waited before them.
        public var refusals: Int
    }

    /// How it is used now.
    public var occupancy: Occupancy {
        Occupancy(
            used: places - idle.count, idle: idle.count, maximum: maximum, waiting: waiting.count,
            refusals: refusals)
    }

    /// The reactor of its connections.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

    /// Opens nothing yet. At most `maximum` connections will be open at a time, and a caller waits for one
    /// at most `patience`.
    public init(
        _ configuration: PostgresConfiguration, maximum: Int, reactor: Reactor, logger: Logger,
        patience: Duration = .seconds(5)
    ) {
        precondition(maximum > 0, "a pool has at least one connection")
        self.configuration = configuration
        self.maximum = maximum
        self.reactor = reactor
        self.logger = logger
        self.patience = patience
    }

    /// Lends a connection to `body`, and to nobody else until `body` returns.
    public nonisolated(nonsending) func withConnection<T>(
        _ body: nonisolated(nonsending) (PostgresConnection) async throws -> T
    ) async throws -> T {
        let connection = try await take()
        do {
            let value = try await body(connection)
            await giveBack(connection)
            return value
        } catch {
            await giveBack(connection)
            throw error
        }
    }

    /// Runs `body` in a transaction on a connection of its own; see `PostgresConnection.transaction`.
    public nonisolated(nonsending) func transaction<T>(
        _ isolation: PostgresIsolation = .readCommitted,
        _ body: nonisolated(nonsending) (PostgresTransaction) async throws -> T
    ) async throws -> T {
        try await withConnection { try await $0.transaction(isolation, body) }
    }

    /// Closes the connections that nobody has needed since the last call: each is a process of the server's.
    public func closeUnneeded() async {
        let connections = idle.prefix(unneeded)
        idle.removeFirst(unneeded)
        places -= unneeded
        unneeded = idle.count
        for connection in connections { await connection.close() }
    }

    /// Closes what is idle at once, and the rest when it comes back; who waits, and who comes later, fails.
    public func close() async {
        isClosed = true
        unneeded = 0
        for waiter in waiting.removeAll() { waiter.continuation.resume(throwing: closedFault) }
        let connections = idle
        idle = []
        places -= connections.count
        for connection in connections { await connection.close() }
    }
}

extension PostgresPool: PostgresRunner {
    /// Runs one statement on a connection of its own.
    @discardableResult
    public func run(_ sql: SQL) async throws -> PostgresRows {
        try await withConnection { try await $0.run(sql) }
    }

    /// Runs `statements` as one request on a connection of their own.
    @discardableResult
    public func run(all statements: [SQL]) async throws -> [PostgresRows] {
        try await withConnection { try await $0.run(all: statements) }
    }
}

// MARK: - Lending

extension PostgresPool {
    private func take() async throws -> PostgresConnection {
        try Task.checkCancellation()
        if isClosed { throw closedFault }
        while let connection = idle.popLast() {
            unneeded = min(unneeded, idle.count)
            if await !connection.isClosed { return connection }
            places -= 1
            logger.notice("a database connection was lost while idle")
        }
        if places < maximum {
            places += 1
            return try await open()
        }
        switch try await wait() {
        case .connection(let connection): return connection
        case .place: return try await open()
        }
    }

    /// Opens a connection in a place that its caller holds; the place is given up when that fails.
    private func open() async throws -> PostgresConnection {
        do {
            return try await PostgresConnection.connect(configuration, on: reactor)
        } catch {
            leavePlace()
            throw error
        }
    }

    private func giveBack(_ connection: PostgresConnection) async {
        if await connection.isClean, !isClosed {
            if let waiter = waiting.popFirst() {
                waiter.continuation.resume(returning: .connection(connection))
            } else {
                idle.append(connection)
            }
            return
        }
        if await !connection.isClosed, !isClosed {
            logger.warning("a database connection came back with its transaction open, and was closed")
        }
        await connection.close()
        leavePlace()
    }

    /// Passes a place to the next who waits.
    private func leavePlace() {
        if let waiter = waiting.popFirst() {
            waiter.continuation.resume(returning: .place)
        } else {
            places -= 1
        }
    }

    private func wait() async throws -> Grant {
        guard waiting.count < PostgresPool.maximumWaiting else {
            refusals += 1
            throw unavailable("too many wait for it")
        }
        lastWaiter += 1
        let id = lastWaiter
        // Ends with this function: with the time-out, or cancelled when the wait is over or its task is.
        async let _: Void = expire(id)
        return try await withCheckedThrowingContinuation { waiting.append((id, $0)) }
    }

    private func expire(_ id: UInt64) async {
        var failure: (any Error)?
        do {
            try await Task.sleep(for: patience)
        } catch {
            failure = error
        }
        guard let waiter = waiting.remove(where: { $0.id == id }) else { return }
        if failure == nil { refusals += 1 }
        waiter.continuation.resume(
            throwing: failure
                ?? unavailable("none of its \(maximum) connections became free in time"))
    }

    private func unavailable(_ detail: String) -> Fault {
        Fault(.unavailable, doing: "get a connection to the database", detail, retryAfter: .seconds(1))
    }

    private var closedFault: Fault { unavailable("the pool is closed") }
}
