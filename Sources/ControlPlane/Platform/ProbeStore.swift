import Postgres

/// Whether a database answers.
struct ProbeStore: Sendable {
    let pool: PostgresPool

    /// Asks it for nothing.
    ///
    /// - Throws: when it does not answer.
    func probe() async throws {
        try await pool.run("select 1")
    }
}
