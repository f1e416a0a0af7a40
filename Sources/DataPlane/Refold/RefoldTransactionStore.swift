import Postgres

/// How the transaction of a re-fold behaves.
struct RefoldTransactionStore {
    /// Gives the transaction the time that it needs: it reads everything, and the fold itself leaves it idle.
    func allowTime(in transaction: PostgresTransaction) async throws {
        try await transaction.run(all: [
            "set local statement_timeout = '1h'",
            "set local idle_in_transaction_session_timeout = '10min'",
        ])
    }

    /// Lets the server refuse from here on whatever would change more than temporary tables.
    func forbidChanges(in transaction: PostgresTransaction) async throws {
        try await transaction.run("set transaction read only")
    }
}
