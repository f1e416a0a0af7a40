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

    /// Keeps every month of events as it is until the transaction ends. To be called before anything is read:
    /// a transaction that has settled what it sees, and meets only then a month that a checkpoint has
    /// replaced meanwhile, sees none of it.
    func keepMonths(in transaction: PostgresTransaction) async throws {
        try await transaction.run("lock table only customer_raw_event in access share mode")
    }

    /// Lets the server refuse from here on whatever would change more than temporary tables.
    func forbidChanges(in transaction: PostgresTransaction) async throws {
        try await transaction.run("set transaction read only")
    }
}
