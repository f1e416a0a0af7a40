import Contract
import Events
import Kernel
import Postgres

/// The table of what happened to profiles: merges and unmerges, with what the profiles were before and after.
struct MergeHistoryStore {
    /// Records merges and unmerges.
    func record(_ change: IdentityChange, in transaction: PostgresTransaction) async throws {
        let history = change.history
        guard !history.isEmpty else { return }
        let after = try await ProfileStore().snapshots(
            of: Set(history.flatMap { [$0.base, $0.other] }), in: transaction)
        let now = SystemWallClock().now()
        try await transaction.run(
            """
            insert into merge_history
                (id, action, base_profile_id, merged_profile_id, reason, actor, before_snapshot,
                 after_snapshot, created_at)
            select id, action, base, merged, reason, actor, before, after, now()
            from unnest(
                \(history.map { _ in UUIDv7(at: now) }), \(history.map { $0.isMerge ? "merge" : "unmerge" }),
                \(history.map(\.base)), \(history.map(\.other)), \(history.map(\.reason)),
                \(history.map(\.actor)), \(history.map { snapshot($0, change.snapshots) }),
                \(history.map { snapshot($0, after) }))
                as recorded (id, action, base, merged, reason, actor, before, after)
            """)
    }

    /// Both profiles of an entry; null for one that there is not.
    private func snapshot(
        _ entry: IdentityChange.History, _ profiles: [ProfileID: IdentityChange.JSONBytes]
    ) -> JSONB {
        let null = Array("null".utf8)
        return JSONB(
            bytes: JSONText.object([
                ("base", profiles[entry.base] ?? null), ("merged", profiles[entry.other] ?? null),
            ]))
    }
}
