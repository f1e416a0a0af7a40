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
    /// - Throws: `Fault.conflict` that names the unfinished operation which has the subject.
    package func insert(_ draft: OperationDraft, in transaction: PostgresTransaction) async throws {
        let now = clock.now()
        let saga = draft.saga
        let inserted = try await transaction.run(
            """
            insert into operation
                (id, kind, subject, state, input, runbook, requested_by, created_at, updated_at)
            values (\(draft.id), \(saga.kind), \(draft.subject), 'pending', \(draft.input.jsonb()),
                \(saga.runbook), \(draft.requestedBy), \(now), \(now))
            on conflict (subject) where state in ('pending', 'running', 'unwinding', 'stuck') do nothing
            """)
        guard inserted.affected == 1 else { throw try await conflict(draft, in: transaction) }
        let versions = saga.steps.map(\.version)
        try await transaction.run(
            """
            insert into operation_step
                (operation_id, ordinal, name, version, is_reversible, state, updated_at)
            select \(draft.id), plan.ordinal, plan.name, plan.version, plan.is_reversible, 'pending', \(now)
            from unnest(\(saga.steps.map(\.name)), \(versions), \(saga.steps.map(\.isReversible)))
                with ordinality as plan (name, version, is_reversible, ordinal)
            """)
    }

    private func conflict(_ draft: OperationDraft, in transaction: PostgresTransaction) async throws -> Fault
    {
        let holder = try await unfinished(on: draft.subject, in: transaction)
        return Fault(
            .conflict, doing: "begin \(draft.saga.kind) of '\(draft.subject)'",
            holder?.asHolder ?? "another operation on it has just finished; try again")
    }

    /// The operation of this id, or nil.
    package func operation(_ id: UUIDv7) async throws -> Operation? {
        try await pool.run(select(where: "operation.id = \(id)", limit: 1)).first.map(decode)
    }

    /// The operation that has this subject, or nil.
    package func unfinished(
        on subject: String, in transaction: PostgresTransaction
    ) async throws -> Operation? {
        let condition: SQL = """
            subject = \(subject) and operation.state in ('pending', 'running', 'unwinding', 'stuck')
            """
        return try await transaction.run(select(where: condition, limit: 1)).first.map(decode)
    }

    /// An operation of this kind, whatever it is about, whose input has `value` under `key`; or nil.
    package func unfinished(
        _ kind: String, with key: String, _ value: String, in transaction: PostgresTransaction
    ) async throws -> Operation? {
        let condition: SQL = """
            kind = \(kind) and input ->> \(key) = \(value)
                and operation.state in ('pending', 'running', 'unwinding', 'stuck')
            """
        return try await transaction.run(select(where: condition, limit: 1)).first.map(decode)
    }

    /// Operations, newest first, made before `cursor`; only those on `subject` and in `state` when given.
    package func list(
        subject: String?, state: Operation.State? = nil, before cursor: UUIDv7?, limit: Int
    ) async throws -> [Operation] {
        let condition: SQL = """
            (\(subject)::text is null or operation.subject in (\(subject), \(subject) || '/backup'))
            and (\(state?.rawValue)::text is null or operation.state = \(state?.rawValue))
            and (\(cursor)::uuid is null or operation.id < \(cursor))
            """
        return try await pool.run(select(where: condition, limit: limit)).map(decode)
    }

    private func select(where condition: SQL, limit: Int) -> SQL {
        let columns: SQL = """
            select operation.id, kind, subject, operation.state, input, step, operation.error, runbook,
                is_unwinding, requested_by, held_by,
                (select count(*) from operation_step
                    where operation_id = operation.id and operation_step.state in ('done', 'undoing')),
                (select count(*) from operation_step where operation_id = operation.id),
                created_at, operation.updated_at
            from operation where
            """
        return columns + " " + condition + " order by operation.id desc limit \(limit)"
    }

    private func decode(_ row: PostgresRow) throws -> Operation {
        let (
            id, kind, subject, state, input, step, error, runbook, isUnwinding, requestedBy, heldBy, done,
            total,
            createdAt, updatedAt
        ) = try row.decode(
            (
                UUIDv7, String, String, String, JSONB, String?, String?, String, Bool, String, String?, Int,
                Int, Timestamp, Timestamp
            ).self)
        guard let state = Operation.State(rawValue: state) else {
            throw Fault(.internal, doing: "read operation \(id)", "its state '\(state)' is unknown here")
        }
        return Operation(
            id: id, kind: kind, subject: subject, state: state, input: try Step.Output(input), step: step,
            error: error, runbook: runbook, isUnwinding: isUnwinding, requestedBy: requestedBy,
            heldBy: heldBy,
            stepsDone: done, stepsTotal: total, createdAt: createdAt, updatedAt: updatedAt)
    }
}

extension Operation {
    /// What to say to who wants its subject.
    fileprivate var asHolder: String {
        let worker = heldBy.map { ", worked on by \($0)" } ?? ""
        return "\(kind) \(id) has it (\(state.rawValue), asked for by \(requestedBy)\(worker))"
    }
}

// MARK: - What a person can make of an operation

extension OperationStore {
    /// Makes a stuck operation go on, in the direction in which it went. Poke the executor afterwards.
    ///
    /// - Throws: `Fault.notFound`, and `Fault.conflict` when it is not stuck.
    @discardableResult
    package func retry(
        _ id: UUIDv7, by person: String, in transaction: PostgresTransaction? = nil
    ) async throws -> Operation {
        let doing = "try the operation again"
        return try await turn(id, doing, in: transaction) { operation, transaction in
            guard operation.state == .stuck else {
                throw Fault(
                    .conflict, doing: doing,
                    "only a stuck one can be; \(operation.kind) is \(operation.state)")
            }
            try await transaction.run(
                """
                update operation set state = case when is_unwinding then 'unwinding' else 'running' end,
                    error = \(SQL.errors(and: "tried again for \(person)")),
                    updated_at = \(clock.now())
                where id = \(id)
                """)
        }
    }

    /// Makes an unfinished operation be taken back: at once, or when what is being done has ended. Poke the
    /// executor afterwards.
    ///
    /// - Throws: `Fault.notFound`, and `Fault.conflict` when it has ended, is being taken back already, or
    ///   has begun a step that cannot be taken back.
    @discardableResult
    package func unwind(
        _ id: UUIDv7, by person: String, in transaction: PostgresTransaction? = nil
    ) async throws -> Operation {
        let doing = "take the operation back"
        return try await turn(id, doing, in: transaction) { operation, transaction in
            guard [.pending, .running, .stuck].contains(operation.state), !operation.isUnwinding else {
                let remedy = operation.state == .stuck ? ", and got stuck on the way: try it again" : ""
                throw Fault(
                    .conflict, doing: doing,
                    operation.isUnwinding && operation.state != .failed
                        ? "it is being taken back already\(remedy)"
                        : "\(operation.kind) has ended: it is \(operation.state)")
            }
            let begun = try await transaction.run(
                """
                select name from operation_step
                where operation_id = \(id) and state <> 'pending' and not is_reversible
                order by ordinal limit 1
                """)
            if let step = try begun.first?.decode(0, as: String.self) {
                throw Fault(
                    .conflict, doing: doing,
                    "its step '\(step)' cannot be taken back, and may have had its effect")
            }
            // What the request itself did, such as a reservation, is the first step's to take back.
            try await transaction.run(
                """
                update operation_step set state = 'running', updated_at = \(clock.now())
                where operation_id = \(id) and ordinal = 1 and state = 'pending'
                """)
            try await transaction.run(
                """
                update operation set state = 'unwinding', is_unwinding = true,
                    error = \(SQL.errors(and: "taken back for \(person)")),
                    updated_at = \(clock.now())
                where id = \(id)
                """)
        }
    }

    /// Changes an operation under its lock, which its executor takes before each step.
    private func turn(
        _ id: UUIDv7, _ doing: String, in transaction: PostgresTransaction?,
        _ change: @Sendable (Operation, PostgresTransaction) async throws -> Void
    ) async throws -> Operation {
        @Sendable func turn(_ transaction: PostgresTransaction) async throws -> Operation {
            let select = select(where: "operation.id = \(id)", limit: 1)
            let locked = try await transaction.run(select + " for update of operation")
            guard let operation = try locked.first.map(decode) else {
                throw Fault(.notFound, doing: doing, "there is no such operation")
            }
            try await change(operation, transaction)
            guard let changed = try await transaction.run(select).first.map(decode) else {
                throw Fault(.internal, doing: doing, "it is gone")
            }
            return changed
        }
        if let transaction { return try await turn(transaction) }
        return try await pool.transaction { try await turn($0) }
    }
}
