import Kernel
import Postgres

/// How far one step of an operation has come, for people to read.
package struct StepProgress: Sendable {
    package let name: String
    /// `pending`, `running`, `done`, `undoing` or `undone`.
    package let state: String
    /// How often it was begun, in either direction.
    package let attempts: Int
    /// Why it did not succeed the last time that it did not.
    package let error: String?
    /// How far it has come, where it tells.
    package let progress: String?
}

/// The steps of the control database's operations, to be read. `JournalStore` writes them.
package struct StepStore: Sendable {
    private let pool: PostgresPool

    package init(pool: PostgresPool) { self.pool = pool }

    /// The steps of an operation, in the order of doing; none when there is no such operation.
    package func steps(of operation: UUIDv7) async throws -> [StepProgress] {
        try await pool.run(
            """
            select name, state, attempts, error, progress from operation_step
            where operation_id = \(operation) order by ordinal limit 1000
            """
        ).map { row in
            let (name, state, attempts, error, progress) = try row.decode(
                (String, String, Int, String?, String?).self)
            return StepProgress(
                name: name, state: state, attempts: attempts, error: error, progress: progress)
        }
    }
}
