import Kernel
import Postgres

/// The table `api_key_use`: when keys were last used.
struct KeyUseStore {
    let database: PostgresPool

    /// Notes the uses, each unless a later one is known.
    func write(_ uses: [String: Timestamp]) async throws {
        let ids = uses.keys.sorted()
        try await database.run(
            """
            insert into api_key_use as known (public_id, last_used_at)
            select * from unnest(\(ids), \(ids.compactMap { uses[$0] }))
            on conflict (public_id) do update set last_used_at = excluded.last_used_at
            where known.last_used_at < excluded.last_used_at
            """)
    }
}
