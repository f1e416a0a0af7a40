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

    /// The ids of operations that are to be done or undone, oldest first.
    func unfinished(limit: Int) async throws -> [UUIDv7] {
        try await pool.run(
            """
            select id from operation where state in ('pending', 'running', 'unwinding')
            order by id limit \(limit)
            """
        ).map { try $0.decode(0, as: UUIDv7.self) }
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

    /// After a step was performed, with what it leaves.
    func finish(_ step: JournaledStep, of operation: UUIDv7, output: Step.Output) async throws -> Bool {
        try await pool.run(
            """
            update operation_step set state = 'done', output = \(output.jsonb()), error = null,
                updated_at = \(clock.now())
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

    /// Moves the whole operation from one state to another; `error` is kept from before when nil.
    func move(
        _ operation: UUIDv7, from: [Operation.State], to state: Operation.State, error: String? = nil
    ) async throws -> Bool {
        try await pool.run(
            """
            update operation set state = \(state.rawValue), error = coalesce(\(error)::text, error),
                updated_at = \(clock.now())
            where id = \(operation) and state = any(\(from.map(\.rawValue)))
            """
        ).affected == 1
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
                    updated_at = \(clock.now())
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
