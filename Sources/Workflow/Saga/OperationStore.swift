import Kernel
import Postgres

/// The operations of the control database: made by requests, read by people.
///
/// Their progress is written by `JournalStore`, which only the executor has.
package struct OperationStore: Sendable {
    private let pool: PostgresPool
    private let clock: any WallClock

    package init(pool: PostgresPool, clock: any WallClock) {
        self.pool = pool
        self.clock = clock
    }

    /// Journals a new operation and its plan within the caller's transaction, so that it exists exactly when
    /// the change that asks for it does.
    ///
    /// - Throws: `Fault.conflict` when the subject has an unfinished operation.
    package func insert(_ draft: OperationDraft, in transaction: PostgresTransaction) async throws {
        let now = clock.now()
        let saga = draft.saga
        do {
            try await transaction.run(
                """
                insert into operation
                    (id, kind, subject, state, input, runbook, requested_by, created_at, updated_at)
                values (\(draft.id), \(saga.kind), \(draft.subject), 'pending', \(draft.input.jsonb()),
                    \(saga.runbook), \(draft.requestedBy), \(now), \(now))
                """)
        } catch let error as PostgresError where error.constraint == "operation_one_per_subject" {
            throw Fault(
                .conflict, doing: "begin \(saga.kind) of '\(draft.subject)'",
                "another operation on it has not finished", cause: error)
        }
        let versions = saga.steps.map(\.version)
        try await transaction.run(
            """
            insert into operation_step (operation_id, ordinal, name, version, state, updated_at)
            select \(draft.id), plan.ordinal, plan.name, plan.version, 'pending', \(now)
            from unnest(\(saga.steps.map(\.name)), \(versions)) with ordinality
                as plan (name, version, ordinal)
            """)
    }

    /// The operation of this id, or nil.
    package func operation(_ id: UUIDv7) async throws -> Operation? {
        try await pool.run(select(where: "operation.id = \(id)", limit: 1)).first.map(decode)
    }

    /// Operations, newest first, made before `cursor`; only those on `subject` when it is given.
    package func list(subject: String?, before cursor: UUIDv7?, limit: Int) async throws -> [Operation] {
        let condition: SQL = """
            (\(subject)::text is null or operation.subject = \(subject))
            and (\(cursor)::uuid is null or operation.id < \(cursor))
            """
        return try await pool.run(select(where: condition, limit: limit)).map(decode)
    }

    private func select(where condition: SQL, limit: Int) -> SQL {
        let columns: SQL = """
            select operation.id, kind, subject, operation.state, input, step, operation.error, runbook,
                (select count(*) from operation_step
                    where operation_id = operation.id and operation_step.state in ('done', 'undoing')),
                (select count(*) from operation_step where operation_id = operation.id),
                created_at, operation.updated_at
            from operation where
            """
        return columns + " " + condition + " order by operation.id desc limit \(limit)"
    }

    private func decode(_ row: PostgresRow) throws -> Operation {
        let (id, kind, subject, state, input, step, error, runbook, done, total, createdAt, updatedAt) =
            try row.decode(
                (
                    UUIDv7, String, String, String, JSONB, String?, String?, String, Int, Int, Timestamp,
                    Timestamp
                ).self)
        guard let state = Operation.State(rawValue: state) else {
            throw Fault(.internal, doing: "read operation \(id)", "its state '\(state)' is unknown here")
        }
        return Operation(
            id: id, kind: kind, subject: subject, state: state, input: try Step.Output(input), step: step,
            error: error, runbook: runbook, stepsDone: done, stepsTotal: total, createdAt: createdAt,
            updatedAt: updatedAt)
    }
}
