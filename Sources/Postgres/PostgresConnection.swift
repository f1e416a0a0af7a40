import Kernel
import Reactor

/// One connection, on which concurrent callers' statements travel in libpq's pipeline mode: each request ends
/// with a sync of its own, so a statement that fails does not touch its neighbours.
///
/// All of it, callbacks of the socket included, runs on its reactor. A connection that is lost or closed
/// fails everything that waits and stays closed; a pool replaces it.
public actor PostgresConnection {
    /// How many requests may wait on one connection; one more is `Fault.unavailable`.
    public static let maximumWaiting = 10_000

    enum Waiter {
        case request(Request)
        case reservation(CheckedContinuation<Void, any Error>)
    }

    struct Request {
        let statements: [SQL]
        let continuation: CheckedContinuation<[PostgresRows], any Error>
    }

    typealias Requests = Pipeline<Request, PostgresRows>

    let reactor: Reactor
    let descriptor: Int32
    var handle: ConnectionHandle?
    var cache = StatementCache()
    var pipeline = Requests()
    var turns = Turns<Waiter>()
    private var lastID: UInt64 = 0
    /// What the descriptor is watched for.
    var interest: Reactor.Interest = .read
    /// The operation that has taken the connection out of the pipeline, into the simple protocol.
    var simple: UInt64?
    /// Who waits for the socket while the simple protocol has the connection.
    var socketWaiter: CheckedContinuation<Void, any Error>?
    /// The request to cancel; nothing more is sent before it is answered.
    var doomed: UInt64?
    /// Whether a cancellation is on its way; it would hit whatever runs when it arrives.
    var isCancelling = false
    /// Why the connection is closed.
    var loss: PostgresError?
    var lossError: PostgresError { loss ?? .lost("the connection was lost") }

    /// The reactor it was made on.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

    /// Connects and logs in; throws `Fault.unavailable` when the server cannot be reached or refuses.
    public static func connect(
        _ configuration: PostgresConfiguration, on reactor: Reactor
    ) async throws -> PostgresConnection {
        let opened = await onOwnThread { OpenedConnection(configuration) }
        let connection: PostgresConnection
        do {
            connection = try PostgresConnection(opened.take(), reactor)
        } catch {
            throw Fault(
                .unavailable, doing: "connect to the database", "the database does not accept the connection",
                cause: error)
        }
        await connection.startReading()
        try Task.checkCancellation()
        return connection
    }

    private init(_ handle: consuming ConnectionHandle, _ reactor: Reactor) {
        self.reactor = reactor
        descriptor = handle.descriptor
        self.handle = consume handle
    }

    isolated deinit {
        if handle != nil { reactor.unwatch(descriptor) }
    }

    /// Whether the connection is lost or closed; it never opens again.
    public var isClosed: Bool { handle == nil }

    /// Whether nothing runs, waits or is left open: the next user finds it as new.
    var isClean: Bool {
        guard let isIdle = handle?.isIdle else { return false }
        return isIdle && pipeline.isEmpty && turns.count == 0 && turns.holder == nil && simple == nil
    }

    /// Closes at once; what waits fails, and what the server runs for it is cancelled.
    public func close() {
        if !pipeline.isEmpty || simple != nil, let cancellation = cancellation() {
            startThread { cancellation.cancel() }
        }
        lose(.lost("the connection was closed"))
    }
}

// MARK: - Requests

extension PostgresConnection: PostgresRunner {
    @discardableResult
    public func run(_ sql: SQL) async throws -> PostgresRows {
        try await perform([sql])[0]
    }

    @discardableResult
    public func run(all statements: [SQL]) async throws -> [PostgresRows] {
        try await perform(statements)
    }

    /// Sends `statements` as one request when it is their turn, and waits for its answer. Of a reservation's
    /// requests the `holder` is its number.
    func perform(
        _ statements: [SQL], holder: UInt64? = nil, isCancellable: Bool = true
    ) async throws -> [PostgresRows] {
        for statement in statements { try statement.validate() }
        if isCancellable { try Task.checkCancellation() }
        let id = nextID()
        return try await cancellable(id, if: isCancellable) {
            try await withCheckedThrowingContinuation { continuation in
                let request = Request(statements: statements, continuation: continuation)
                enqueue(.init(id: id, holder: holder, reserves: false, waiter: .request(request)))
            }
        }
    }

    /// Waits until the connection is its caller's alone, and returns the number that says so.
    func reserve() async throws -> UInt64 {
        try Task.checkCancellation()
        let id = nextID()
        try await cancellable(id) {
            try await withCheckedThrowingContinuation { continuation in
                enqueue(.init(id: id, holder: nil, reserves: true, waiter: .reservation(continuation)))
            }
        }
        return id
    }

    /// Ends a reservation; what its holder left waiting fails.
    func release(_ reservation: UInt64) {
        for entry in turns.release(reservation) { fail(entry.waiter, PostgresConnection.reservationOver) }
        sendWaiting()
    }

    private static let reservationOver = PostgresError.misuse("the transaction is over")

    func nextID() -> UInt64 {
        lastID += 1
        return lastID
    }

    private func enqueue(_ entry: Turns<Waiter>.Entry) {
        if let loss { return fail(entry.waiter, loss) }
        guard turns.count < PostgresConnection.maximumWaiting,
            pipeline.count < PostgresConnection.maximumWaiting
        else {
            return fail(
                entry.waiter,
                Fault(.unavailable, doing: "query the database", "too many statements wait on a connection"))
        }
        guard turns.append(entry) else { return fail(entry.waiter, PostgresConnection.reservationOver) }
        sendWaiting()
    }

    /// Sends all whose turn it is; nothing while a cancellation could hit it.
    func sendWaiting() {
        guard simple == nil else { return }
        while doomed == nil, !isCancelling, handle != nil, let entry = turns.next() {
            switch entry.waiter {
            case .reservation(let continuation): continuation.resume()
            case .request(let request): send(request, entry.id)
            }
        }
        flush()
    }

    private func send(_ request: Request, _ id: UInt64) {
        var steps: [Requests.Step] = []
        var isSent = true
        for sql in request.statements where isSent {
            let text = sql.text
            let plan = cache.plan(for: text, types: sql.parameters.types, isConstant: sql.isConstant)
            switch plan {
            case .unprepared:
                isSent = handle?.send(text, sql.parameters) ?? false
                steps.append(.statement(nil))
            case .prepare(let number):
                let name = StatementCache.name(number)
                isSent = handle?.prepare(text, sql.parameters, as: name) ?? false
                isSent = isSent && handle?.sendPrepared(name, sql.parameters) ?? false
                steps += [.preparation(number), .statement(number)]
            case .prepared(let number):
                isSent = handle?.sendPrepared(StatementCache.name(number), sql.parameters) ?? false
                steps.append(.statement(number))
            }
        }
        pipeline.append(id, steps, request)
        isSent = isSent && handle?.sync() ?? false
        if !isSent { lose(.lost(handle?.message ?? "the connection was lost")) }
    }

    func fail(_ waiter: Waiter, _ error: any Error) {
        switch waiter {
        case .request(let request): request.continuation.resume(throwing: error)
        case .reservation(let continuation): continuation.resume(throwing: error)
        }
    }
}
