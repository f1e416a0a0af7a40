import Kernel
import Postgres
import TenantSchema
import Workflow

/// Brings into a schema that is to take the place of a brand's own what came to that one since: events,
/// decisions and what was counted (`durability.md`, "Restore"). What follows from these, a re-fold then
/// makes.
struct CarryStore: Sendable {
    let tenants: TenantStore

    /// What was brought over.
    struct Carried: Sendable {
        var events: Int64 = 0
        var decisions: Int64 = 0
    }

    /// Brings over what is missing; all at once, and again without any harm.
    ///
    /// Events have positions without a gap in the order of their commits, so what came later is behind the
    /// position that the schema has. Those that a checkpoint stands for have none, and are known by their
    /// keys.
    func carry(from current: String, into schema: String, of slug: Slug) async throws -> Carried {
        try await changing(schema, slug) { transaction in
            try await transaction.run("select ensure_event_partitions(12)")
            let own: SQL = "\(identifier: current)"
            var carried = Carried()
            carried.events = try await Int64(events(from: own, in: transaction))
            try await transaction.run(all: [
                """
                insert into event_key (source, key, event_id)
                select source, key, event_id from \(own).event_key on conflict do nothing
                """,
                """
                insert into customer_identifier (id, kind, value, profile_id, flag, first_seen_at)
                select id, kind, value, profile_id, flag, first_seen_at from \(own).customer_identifier
                on conflict do nothing
                """,
            ])
            carried.decisions = try await Int64(decisions(from: own, in: transaction))
            try await logs(from: own, in: transaction)
            try await goOn(behind: own, in: transaction)
            return carried
        }
    }

    /// Without what came later: only that positions and numbers that readers may have seen are not given to
    /// others.
    func goOn(behind current: String, in schema: String, of slug: Slug) async throws {
        try await changing(schema, slug) { try await goOn(behind: "\(identifier: current)", in: $0) }
    }

    private func events(from own: SQL, in transaction: PostgresTransaction) async throws -> Int {
        let columns: SQL = """
            id, created_at, event_type, occurred_at, channel, source, event_key, payload, test, placed_on,
            customer_profile_id, stands_for, position
            """
        return try await transaction.run(
            """
            insert into customer_raw_event (\(columns))
            select \(columns) from \(own).customer_raw_event e
            where position > (select position from event_feed)
               or position is null and not exists (
                   select from event_key k where k.source = e.source and k.key = e.event_key)
            on conflict do nothing
            """
        ).affected
    }

    private func decisions(from own: SQL, in transaction: PostgresTransaction) async throws -> Int {
        try await transaction.run(
            """
            insert into identity_decision
                (sequence, kind, left_ids, right_ids, by_limit, actor, reason, created_at)
                overriding system value
            select sequence, kind, left_ids, right_ids, by_limit, actor, reason, created_at
            from \(own).identity_decision
            where sequence > (select coalesce(max(sequence), 0) from identity_decision)
            """
        ).affected
    }

    /// What no re-fold makes again: what was done and counted.
    private func logs(from own: SQL, in transaction: PostgresTransaction) async throws {
        try await transaction.run(all: [
            """
            insert into merge_history (id, action, base_profile_id, merged_profile_id, reason, actor,
                before_snapshot, after_snapshot, created_at)
            select id, action, base_profile_id, merged_profile_id, reason, actor, before_snapshot,
                after_snapshot, created_at
            from \(own).merge_history on conflict do nothing
            """,
            """
            insert into manual_merge_queue (id, profile_ids, identifier_id, low_ids, high_ids, events, reason,
                status, created_at, updated_at)
            select id, profile_ids, identifier_id, low_ids, high_ids, events, reason, status, created_at,
                updated_at
            from \(own).manual_merge_queue where status <> 'pending' on conflict do nothing
            """,
            """
            insert into event_meter as m (quarter, events, test_events)
            select quarter, events, test_events from \(own).event_meter
            on conflict (quarter) do update set events = greatest(m.events, excluded.events),
                test_events = greatest(m.test_events, excluded.test_events)
            """,
            """
            insert into api_key_use as u (public_id, last_used_at)
            select public_id, last_used_at from \(own).api_key_use
            on conflict (public_id) do update
                set last_used_at = greatest(u.last_used_at, excluded.last_used_at)
            """,
        ])
    }

    private func goOn(behind own: SQL, in transaction: PostgresTransaction) async throws {
        try await transaction.run(all: [
            """
            update event_feed f set position = greatest(f.position, o.position)
            from \(own).event_feed o
            """,
            """
            select setval(pg_get_serial_sequence('identity_decision', 'sequence'), greatest(1, (
                select max(sequence) from (
                    select sequence from identity_decision
                    union all select sequence from \(own).identity_decision
                ) as given)))
            """,
        ])
    }

    private func changing<Value: Sendable>(
        _ schema: String, _ slug: Slug, _ body: (PostgresTransaction) async throws -> Value
    ) async throws -> Value {
        try await tenants.pool.transaction { transaction in
            try await transaction.run(all: [
                "set local role \(identifier: slug.ownerRole)",
                "set local search_path = \(identifier: schema)", "set local statement_timeout = 0",
            ])
            let value = try await body(transaction)
            try await transaction.run("reset role")
            try await LeadershipStore.requireTerm(in: transaction)
            try Failpoint.effect()
            return value
        }
    }
}
