import Kernel
import Reactor

/// Redis for a whole process: one connection that is opened at the first command and again after it was lost.
///
/// A command that was in flight when the connection was lost fails, and is never sent again by itself: only
/// the caller knows whether doing it twice does harm.
public actor RedisClient {
    /// How long commands wait for a server that is not reached, before they fail.
    public static let maximumWait: Duration = .seconds(2)
    /// The pauses between attempts double from the first to the second.
    static let pauses: ClosedRange<Duration> = .milliseconds(50) ... .milliseconds(800)

    private let configuration: RedisConfiguration
    private let reactor: Reactor
    /// The attempt that all who need a connection wait for; it holds the connection once it has succeeded.
    private var opening: Task<RedisConnection, any Error>?
    private var isClosed = false

    /// The reactor's thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

    /// A client of the server that `configuration` names; it connects when it is first used.
    public init(_ configuration: RedisConfiguration, on reactor: Reactor) {
        self.configuration = configuration
        self.reactor = reactor
    }

    /// Carries out one command; its arguments may hold any bytes.
    @discardableResult
    public func send(_ arguments: [[UInt8]]) async throws -> RedisValue {
        try await connection().send(arguments)
    }

    /// Carries out one command of text.
    @discardableResult
    public func send(_ arguments: String...) async throws -> RedisValue {
        try await send(arguments.map { Array($0.utf8) })
    }

    /// Carries out commands in order, in one go; a refused one has `RedisValue.error` in its place and does
    /// not stop the others.
    public func pipeline(_ commands: [[[UInt8]]]) async throws -> [RedisValue] {
        try await connection().pipeline(commands)
    }

    /// Closes the connection for good; commands in flight and later ones fail.
    public func close() async {
        isClosed = true
        opening?.cancel()
        if let connection = try? await opening?.value { await connection.close() }
    }
}

extension RedisClient {
    private static let closed = RedisError.connection("the client was closed")

    private func connection() async throws -> RedisConnection {
        if let known = opening {
            let connection = try await known.value
            if await !connection.isClosed { return connection }
            // Of those who find it lost, the first opens the next.
            if opening == known { opening = nil }
        }
        guard !isClosed else { throw RedisClient.closed }
        let attempt = opening ?? Task { try await open() }
        opening = attempt
        return try await attempt.value
    }

    /// Tries until it succeeds or the wait is over. A refusal (a wrong password) is final at once.
    private func open() async throws -> RedisConnection {
        let end = ContinuousClock.now + RedisClient.maximumWait
        var pause = RedisClient.pauses.lowerBound
        do {
            while true {
                do {
                    return try await RedisConnection.connect(configuration, on: reactor)
                } catch let error as RedisError where error.isLoss {
                    guard ContinuousClock.now + pause < end else { throw error }
                }
                try await Task.sleep(for: pause)
                pause = min(pause * 2, RedisClient.pauses.upperBound)
            }
        } catch {
            opening = nil
            throw isClosed ? RedisClient.closed : error
        }
    }
}
