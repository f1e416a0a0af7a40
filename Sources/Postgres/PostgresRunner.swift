/// Whatever runs statements: a connection, a transaction or a pool. A store's functions take one, and so
/// work inside a transaction and outside.
public protocol PostgresRunner: Sendable {
    /// Runs one statement and returns its whole result.
    @discardableResult
    func run(_ sql: SQL) async throws -> PostgresRows

    /// Sends all `statements` at once and returns their results in order. If one fails, the rest are not run
    /// and its error is thrown; outside a transaction, none of them has then taken effect.
    @discardableResult
    func run(all statements: [SQL]) async throws -> [PostgresRows]
}
