/// What a transaction sees of the others (`set transaction` in PostgreSQL's manual).
public enum PostgresIsolation: String, Sendable {
    case readCommitted = "begin isolation level read committed"
    case repeatableRead = "begin isolation level repeatable read"
    /// One unchanging view and no writes: for a backup or a report of several statements.
    case snapshot = "begin isolation level repeatable read read only"
    case serializable = "begin isolation level serializable"
}

/// An open transaction. It has its connection to itself, and refuses to work after its end.
public struct PostgresTransaction: PostgresRunner {
    let connection: PostgresConnection
    let number: UInt64

    @discardableResult
    public func run(_ sql: SQL) async throws -> PostgresRows {
        try await connection.perform([sql], holder: number)[0]
    }

    @discardableResult
    public func run(all statements: [SQL]) async throws -> [PostgresRows] {
        try await connection.perform(statements, holder: number)
    }

    /// Runs a text of several statements inside the transaction; it must not begin or end one.
    public func runScript(_ text: String) async throws {
        try await connection.script(text, holder: number)
    }

    /// Feeds a `COPY … FROM STDIN` with `chunks`, cut anywhere, and returns how many rows the server took.
    @discardableResult
    public nonisolated(nonsending) func copyIn<Chunks: AsyncSequence>(
        _ sql: String, rows chunks: Chunks
    ) async throws -> Int where Chunks.Element == [UInt8] {
        try await connection.copyIn(sql, chunks, holder: number)
    }

    /// The same with chunks that are in memory already.
    @discardableResult
    public nonisolated(nonsending) func copyIn(_ sql: String, rows chunks: [[UInt8]]) async throws -> Int {
        try await copyIn(sql, rows: AsyncStream(chunks))
    }

    /// Hands the bytes of a `COPY … TO STDOUT` to `body`, whole rows at a time, and returns how many rows
    /// there were. If `body` throws, the connection is given up.
    @discardableResult
    public nonisolated(nonsending) func copyOut(
        _ sql: String, _ body: nonisolated(nonsending) ([UInt8]) async throws -> Void
    ) async throws -> Int {
        try await connection.copyOut(sql, holder: number, body)
    }
}

extension PostgresConnection {
    /// Runs `body` in a transaction of its own; other callers' statements wait until it has ended, so `body`
    /// must use the transaction, never the connection.
    ///
    /// It rolls back when `body` throws or the task is cancelled. COMMIT is believed only by its tag: on a
    /// transaction in which a statement failed it succeeds with the tag ROLLBACK, which is thrown as 40000.
    /// If the connection is lost during COMMIT, the error says so and the outcome is not known.
    public nonisolated(nonsending) func transaction<T>(
        _ isolation: PostgresIsolation = .readCommitted,
        _ body: nonisolated(nonsending) (PostgresTransaction) async throws -> T
    ) async throws -> T {
        try await reserved { number in
            try await begin(isolation, number)
            let value: T
            do {
                value = try await body(PostgresTransaction(connection: self, number: number))
                try Task.checkCancellation()
            } catch {
                await rollBack(number)
                throw error
            }
            try await commit(number)
            return value
        }
    }

    /// Runs a text of several statements (a schema, a migration); it is one transaction unless it says
    /// otherwise.
    public nonisolated(nonsending) func runScript(_ text: String) async throws {
        try await reserved { try await script(text, holder: $0) }
    }

    /// Feeds a `COPY … FROM STDIN` with `chunks`, cut anywhere, and returns how many rows the server took.
    @discardableResult
    public nonisolated(nonsending) func copyIn<Chunks: AsyncSequence>(
        _ sql: String, rows chunks: Chunks
    ) async throws -> Int where Chunks.Element == [UInt8] {
        try await reserved { try await copyIn(sql, chunks, holder: $0) }
    }

    /// The same with chunks that are in memory already.
    @discardableResult
    public nonisolated(nonsending) func copyIn(_ sql: String, rows chunks: [[UInt8]]) async throws -> Int {
        try await copyIn(sql, rows: AsyncStream(chunks))
    }

    /// Hands the bytes of a `COPY … TO STDOUT` to `body`, whole rows at a time, and returns how many rows
    /// there were. If `body` throws, the connection is given up.
    @discardableResult
    public nonisolated(nonsending) func copyOut(
        _ sql: String, _ body: nonisolated(nonsending) ([UInt8]) async throws -> Void
    ) async throws -> Int {
        try await reserved { try await copyOut(sql, holder: $0, body) }
    }

    private nonisolated(nonsending) func reserved<T>(
        _ body: nonisolated(nonsending) (UInt64) async throws -> T
    ) async throws -> T {
        let number = try await reserve()
        do {
            let value = try await body(number)
            await release(number)
            return value
        } catch {
            await release(number)
            throw error
        }
    }

    private func begin(_ isolation: PostgresIsolation, _ number: UInt64) async throws {
        _ = try await perform([SQL(raw: isolation.rawValue)], holder: number)
    }

    /// Nothing is thrown: a connection that cannot roll back is lost, and the server does it.
    private func rollBack(_ number: UInt64) async {
        _ = try? await perform(["rollback"], holder: number, isCancellable: false)
    }

    private func commit(_ number: UInt64) async throws {
        let tag = try await perform(["commit"], holder: number, isCancellable: false)[0].tag
        guard tag == "COMMIT" else {
            throw PostgresError(
                sqlState: "40000",
                message: "COMMIT ended in \(tag): a statement of the transaction had failed")
        }
    }
}
