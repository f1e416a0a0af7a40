import Contract
import Events
import Kernel
import Postgres

/// The re-folds in the table of an instance's long work: one at a time is open.
struct RefoldOperationStore {
    let database: PostgresPool

    /// Accepts a re-fold; false when one is open already.
    func create(_ operation: OperationStore.Open) async throws -> Bool {
        try await database.run(
            """
            insert into operation (id, kind, subject, state, input, created_at, updated_at)
            values (\(operation.id), \(operation.kind), \(operation.subject), 'pending', \(operation.input),
                    \(operation.createdAt), \(operation.createdAt))
            on conflict (kind) where kind = 'identity.refold' and state in ('pending', 'running') do nothing
            """
        ).affected == 1
    }

    /// Takes a re-fold to do; false when another process has taken it.
    func begin(_ id: OperationID) async throws -> Bool {
        try await database.run(
            """
            update operation set state = 'running', updated_at = now() where id = \(id) and state = 'pending'
            """
        ).affected == 1
    }

    /// Keeps the re-fold from being abandoned while the transaction lives; false when it was abandoned.
    ///
    /// The lock lets the row be updated all the same, which is how the progress is told.
    func hold(_ id: OperationID, in transaction: PostgresTransaction) async throws -> Bool {
        try await transaction.run(
            "select id from operation where id = \(id) and state = 'running' for key share"
        ).count == 1
    }

    /// Ends a re-fold with what it has found; in its own transaction, where it has changed anything.
    func finish(_ id: OperationID, _ report: RefoldReport, on runner: some PostgresRunner) async throws {
        let differences = report.differences.reduce(0) { $0 + $1.count }
        try await runner.run(
            """
            update operation
            set state = 'done', counts = \(try JSONB(encoding: ["differences": differences])),
                result = \(try JSONB(encoding: report)), updated_at = now()
            where id = \(id)
            """)
    }

    /// Ends a re-fold that has come to nothing. One that is done after all, though its commit was not
    /// answered, stays done.
    func fail(_ id: OperationID, _ error: String) async throws {
        try await database.run(
            """
            update operation set state = 'failed', error = \(error), updated_at = now()
            where id = \(id) and state in ('pending', 'running')
            """)
    }

    /// Ends the re-folds that nobody holds any more: the process that did them has ended before they were
    /// done, and nothing of them is kept.
    func failAbandoned(_ error: String) async throws -> Int {
        try await database.run(
            """
            update operation set state = 'failed', error = \(error), updated_at = now()
            where id in (
                select id from operation
                where kind = \(Refolds.kind) and state = 'running'
                  and updated_at < now() - \(Refolds.period)
                for update skip locked)
            """
        ).affected
    }
}
