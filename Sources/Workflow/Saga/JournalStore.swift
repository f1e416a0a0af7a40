import Foundation
import Kernel
import Postgres

/// The executor's journal of operations and their steps.
///
/// Every entry names the state that it comes from and answers whether it found it. Who did not find it has
/// been overtaken (somebody asked for an unwinding, another executor went on) and reads the journal again.
struct JournalStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock
    /// Who works, as operations and people are told.
    let holder: String

    /// The operations that are to be done or undone, oldest first.
    func unfinished(limit: Int) async throws -> [(id: UUIDv7, kind: String)] {
        try await pool.run(
            """
            select id, kind from operation where state in ('pending', 'running', 'unwinding')
            order by id limit \(limit)
            """
        ).decode((UUIDv7, String).self).map { (id: $0.0, kind: $0.1) }
    }

    /// The plan of an operation, in order.
    func steps(of operation: UUIDv7) async throws -> [JournaledStep] {
        try await pool.run(
            """
            select ordinal, name, version, state, output from operation_step
            where operation_id = \(operation) order by ordinal limit 1000
            """
        ).map { row in
            let (ordinal, name, version, state, output) = try row.decode(
                (Int, String, Int, String, JSONB?).self)
            guard let state = JournaledStep.State(rawValue: state) else {
                throw Fault(.internal, doing: "read step '\(name)'", "its state '\(state)' is unknown here")
            }
            return JournaledStep(
                ordinal: ordinal, name: name, version: version, state: state,
                output: try output.map { try Step.Output($0) })
        }
    }

    /// Before a step is performed: the operation is running and the step may have had its effect from now on.
    func begin(_ step: JournaledStep, of operation: UUIDv7) async throws -> Bool {
        try await enter(
            step, of: operation, from: ["pending", "running"], to: .running,
            operationFrom: ["pending", "running"], operationTo: .running)
    }

    /// Before a step is undone.
    func beginUndo(_ step: JournaledStep, of operation: UUIDv7) async throws -> Bool {
        try await enter(
            step, of: operation, from: ["running", "done", "undoing"], to: .undoing,
            operationFrom: ["unwinding"], operationTo: .unwinding)
    }

    /// While a step is performed: how far it has come, for people.
    func report(_ progress: String, on step: JournaledStep, of operation: UUIDv7) async throws {
        try await pool.run(
            """
            update operation_step set progress = \(progress), updated_at = \(clock.now())
            where operation_id = \(operation) and ordinal = \(step.ordinal) and state = 'running'
            """)
    }

    /// After a step was performed, with what it leaves.
    func finish(_ step: JournaledStep, of operation: UUIDv7, output: Step.Output) async throws -> Bool {
        try await pool.run(
            """
            update operation_step set state = 'done', output = \(output.jsonb()), error = null,
                progress = null, updated_at = \(clock.now())
            where operation_id = \(operation) and ordinal = \(step.ordinal) and state = 'running'
            """
        ).affected == 1
    }

    /// After a step was undone.
    func finishUndo(_ step: JournaledStep, of operation: UUIDv7) async throws -> Bool {
        try await pool.run(
            """
            update operation_step set state = 'undone', updated_at = \(clock.now())
            where operation_id = \(operation) and ordinal = \(step.ordinal) and state = 'undoing'
            """
        ).affected == 1
    }

    /// Notes why a step did not succeed this time.
    func note(_ error: String, on step: JournaledStep, of operation: UUIDv7) async throws {
        try await pool.run(
            """
            update operation_step set error = \(error), updated_at = \(clock.now())
            where operation_id = \(operation) and ordinal = \(step.ordinal)
            """)
    }

    /// Moves the whole operation from one state to another, and puts a final one into the audit log. `error`
    /// is added to what is known when it gets stuck, and replaces it otherwise.
    func move(
        _ operation: UUIDv7, from: [Operation.State], to state: Operation.State, error: String? = nil
    ) async throws -> Bool {
        let now = clock.now()
        let isFinal = ![.pending, .running, .unwinding].contains(state)
        return try await !pool.run(
            """
            with moved as (
                update operation set state = \(state.rawValue),
                    is_unwinding = is_unwinding or \(state == .unwinding),
                    error = case when \(state == .done) then null
                        when \(state == .stuck) then \(SQL.errors(and: error))
                        else coalesce(\(error)::text, error) end,
                    held_by = coalesce(held_by, \(holder)), updated_at = \(now)
                where id = \(operation) and state = any(\(from.map(\.rawValue)))
                returning id, kind, subject, state, requested_by, error
            ), audited as (
                insert into audit_log
                    (id, at, actor, origin, action, subject, outcome, operation_id, detail)
                select \(UUIDv7(at: now)), \(now), requested_by, 'constinteld', kind, subject, state, id,
                    error
                from moved where \(isFinal)
            )
            select id from moved
            """
        ).isEmpty
    }

    /// Whether the operation is still in one of these states.
    func stands(_ operation: UUIDv7, in states: [Operation.State]) async throws -> Bool {
        try await !pool.run(
            "select id from operation where id = \(operation) and state = any(\(states.map(\.rawValue)))"
        ).isEmpty
    }

    /// Both rows in one statement: the operation's row is the lock that an unwinding would take.
    private func enter(
        _ step: JournaledStep, of operation: UUIDv7, from: [String], to state: JournaledStep.State,
        operationFrom: [String], operationTo: Operation.State
    ) async throws -> Bool {
        try await pool.run(
            """
            with moved as (
                update operation set state = \(operationTo.rawValue), step = \(step.name),
                    held_by = \(holder), updated_at = \(clock.now())
                where id = \(operation) and state = any(\(operationFrom))
                returning id
            )
            update operation_step set state = \(state.rawValue), attempts = attempts + 1,
                updated_at = \(clock.now())
            from moved
            where operation_id = moved.id and ordinal = \(step.ordinal)
                and operation_step.state = any(\(from))
            """
        ).affected == 1
    }
}

extension SQL {
    /// What is known of an operation's errors, and `text`; the latest are kept.
    static func errors(and text: String?) -> SQL {
        "right(concat_ws('; then ', error, \(text)::text), 4000)"
    }
}

extension Step.Output {
    /// As it is stored.
    func jsonb() throws -> JSONB {
        JSONB(String(decoding: try JSONEncoder().encode(self), as: UTF8.self))
    }

    /// From what is stored.
    init(_ stored: JSONB) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(stored.text.utf8))
    }
}
