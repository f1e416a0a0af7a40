import Postgres

/// How many brands and operations there are, for `/metrics`.
struct FleetStore: Sendable {
    let pool: PostgresPool

    /// Brands by status.
    func brands() async throws -> [String: Int64] {
        try await counts("select status, count(*) from brand group by status")
    }

    /// Operations that are not over, and those that are stuck, by state: each state is there, with none too.
    func openOperations() async throws -> [String: Int64] {
        // The states that the index of subjects holds, so that those that are over cost nothing.
        let found = try await counts(
            """
            select state, count(*) from operation
            where state in ('pending', 'running', 'unwinding', 'stuck') group by state
            """)
        return found.merging(["pending": 0, "running": 0, "unwinding": 0, "stuck": 0]) { found, _ in found }
    }

    private func counts(_ sql: SQL) async throws -> [String: Int64] {
        let rows = try await pool.run(sql).decode((String, Int64).self)
        return Dictionary(uniqueKeysWithValues: rows)
    }
}
