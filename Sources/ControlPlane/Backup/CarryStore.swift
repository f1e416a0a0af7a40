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
    /// An event is missing when its key is, whichever of the two has more. One whose position is behind all
    /// that the schema has given keeps it; any other gets a new one, so that no reader misses it.
    func carry(from current: String, into schema: String, of slug: Slug) async throws -> Carried {
        try await changing(schema, slug) { transaction in
            try await transaction.run("select ensure_event_partitions(12)")
            let own: SQL = "\(identifier: current)"
            var carried = Carried()
            try await goOn(behind: own, in: transaction)
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
            try await work(from: own, in: transaction)
            try await transaction.run("drop table carried_event, carried_identifier")
            return carried
        }
    }

    /// Without what came later: only that positions and numbers that readers may have seen are not given to
    /// others.
    func goOn(behind current: String, in schema: String, of slug: Slug) async throws {
        try await changing(schema, slug) { try await goOn(behind: "\(identifier: current)", in: $0) }
    }

    private func events(from own: SQL, in transaction: PostgresTransaction) async throws -> Int {
        // `goOn` has made the feed's position the later of the two, so that what is given here is new to
        // both.
        try await transaction.run(
            """
            create unlogged table carried_event as
            with given as (select coalesce(max(position), 0) as last from customer_raw_event)
            select e.*, case when position > given.last then position
                    when position is not null then (select f.position from event_feed f)
                        + row_number() over (partition by position > given.last order by position)
                end as new_position
            from \(own).customer_raw_event e cross join given
            where not exists (
                select from event_key k where k.source = e.source and k.key = e.event_key)
            """)
        let count = try await transaction.run(
            """
            insert into customer_raw_event (id, created_at, event_type, occurred_at, channel, source,
                event_key, payload, test, placed_on, customer_profile_id, stands_for, position)
            select id, created_at, event_type, occurred_at, channel, source, event_key, payload, test,
                placed_on, customer_profile_id, stands_for, new_position
            from carried_event on conflict do nothing
            """
        ).affected
        try await transaction.run(
            """
            update event_feed set position = greatest(position, (
                select coalesce(max(new_position), 0) from carried_event))
            """)
        return count
    }

    /// Decisions that came later. They name identifiers: one that has another id here, since its events came
    /// again after they had been given up, is named by that.
    private func decisions(from own: SQL, in transaction: PostgresTransaction) async throws -> Int {
        try await transaction.run(
            """
            create unlogged table carried_identifier as
            select o.id as theirs, c.id as ours
            from \(own).customer_identifier o
            join customer_identifier c on c.kind = o.kind and c.value = o.value and c.id <> o.id
            """)
        try await transaction.run(all: [
            "create unique index on carried_identifier (theirs)", "analyze carried_identifier",
        ])
        return try await transaction.run(
            """
            insert into identity_decision
                (sequence, kind, left_ids, right_ids, by_limit, actor, reason, created_at)
                overriding system value
            select sequence, kind, \(Self.named(all: "left_ids")), \(Self.named(all: "right_ids")), by_limit,
                actor, reason, created_at
            from \(own).identity_decision
            where sequence > (select coalesce(max(sequence), 0) from identity_decision)
            """
        ).affected
    }

    /// The identifiers of a column, each by the id that it has here.
    private static func named(all column: SQL) -> SQL {
        """
        array(select coalesce(ours, named) from unnest(\(column)) with ordinality as t (named, place)
            left join carried_identifier on theirs = named order by place)
        """
    }

    /// The identifier, or the profile that is called after it, by the id that it has here.
    private static func named(_ column: SQL) -> SQL {
        "coalesce((select ours from carried_identifier where theirs = \(column)), \(column))"
    }

    /// The instance's own work: what is open goes on. What was open in this state when it was put aside, or
    /// backed up, goes on nowhere.
    private func work(from own: SQL, in transaction: PostgresTransaction) async throws {
        let columns: SQL = """
            id, kind, subject, state, input, progress, counts, result, error, created_at, updated_at
            """
        try await transaction.run(all: [
            """
            update operation set state = 'failed', updated_at = now(),
                error = 'another state of the brand took the place of this one while this was going on'
            where state in ('pending', 'running')
            """,
            """
            insert into operation (\(columns)) select \(columns) from \(own).operation
            on conflict (id) do update set state = excluded.state, progress = excluded.progress,
                counts = excluded.counts, result = excluded.result, error = excluded.error,
                updated_at = excluded.updated_at
            """,
            """
            insert into import_rejection (operation_id, row_number, reason, fields)
            select operation_id, row_number, reason, fields from \(own).import_rejection
            on conflict do nothing
            """,
            "delete from upload",
            """
            insert into upload (id, length, received, metadata, created_at, expires_at)
            select id, length, received, metadata, created_at, expires_at from \(own).upload
            """,
        ])
    }

    /// What no re-fold makes again: what was done and counted.
    private func logs(from own: SQL, in transaction: PostgresTransaction) async throws {
        try await transaction.run(all: [
            """
            insert into merge_history (id, action, base_profile_id, merged_profile_id, reason, actor,
                before_snapshot, after_snapshot, created_at)
            select id, action, \(Self.named("base_profile_id")), \(Self.named("merged_profile_id")), reason,
                actor, before_snapshot, after_snapshot, created_at
            from \(own).merge_history on conflict do nothing
            """,
            """
            insert into manual_merge_queue (id, profile_ids, identifier_id, low_ids, high_ids, events, reason,
                status, created_at, updated_at)
            select id, (
                    select coalesce(jsonb_agg(id order by id), '[]') from (
                        select coalesce(ours::text, named) as id
                        from jsonb_array_elements_text(profile_ids) as t (named)
                        left join carried_identifier on theirs::text = named
                    ) as profile
                ), \(Self.named("identifier_id")),
                \(Self.named(all: "low_ids")), \(Self.named(all: "high_ids")), events, reason, status,
                created_at, updated_at
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
