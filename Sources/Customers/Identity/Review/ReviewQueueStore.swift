import Contract
import Events
import Kernel
import Postgres

/// The table of what waits for a person.
struct ReviewQueueStore {
    /// A pending row as it is stored.
    struct Stored {
        let id: ReviewRowID
        let row: ReviewRows.Row
        let events: Int64
    }

    /// A row as it should be.
    struct Fresh {
        let id: ReviewRowID
        let row: ReviewRows.Row
        let events: Int64
        /// The decisions that hold its pairs.
        let holds: [Int64]
    }

    /// A row that somebody wants to answer.
    struct Asked {
        let status: ReviewQueue.Status
        let identifier: IdentifierID?
        let pairs: [IdentifierPair]
        let shown: String
    }

    /// The pairs that are held, no end of them flagged, between two profiles.
    func held(
        in transaction: PostgresTransaction
    ) async throws -> [(pair: IdentifierPair, hold: Int64, low: ProfileID, high: ProfileID)] {
        try await transaction.run(
            """
            select p.low_id, p.high_id, p.hold, low.profile_id, high.profile_id
            from identity_pair p
            join customer_identifier low on low.id = p.low_id and low.flag is null
            join customer_identifier high on high.id = p.high_id and high.flag is null
            where p.state = 'held' and low.profile_id <> high.profile_id
            """
        ).decode((IdentifierID, IdentifierID, Int64, ProfileID, ProfileID).self)
            .map { (IdentifierPair($0, $1), $2, $3, $4) }
    }

    func pending(in transaction: PostgresTransaction) async throws -> [Stored] {
        try await transaction.run(
            """
            select id, array(select jsonb_array_elements_text(profile_ids))::uuid[], identifier_id, low_ids,
                   high_ids, events
            from manual_merge_queue where status = 'pending'
            """
        ).decode(
            (ReviewRowID, [ProfileID], IdentifierID?, [IdentifierID], [IdentifierID], Int64).self
        ).map { id, profiles, identifier, low, high, events in
            Stored(
                id: id,
                row: .init(
                    profiles: profiles, identifier: identifier,
                    pairs: zip(low, high).map { IdentifierPair($0, $1) }), events: events)
        }
    }

    /// How many events tie both ends of one of each row's pairs. One in a checkpoint may stand for several,
    /// and one that is gone may be named still.
    func events(
        carryingPairsOf rows: [ReviewRows.Row], in transaction: PostgresTransaction
    ) async throws -> [Int64] {
        var counts = Array(repeating: Int64(0), count: rows.count)
        let pairs = rows.enumerated().flatMap { place, row in row.pairs.map { (place: place, pair: $0) } }
        guard !pairs.isEmpty else { return counts }
        let ends = Array(Set(pairs.flatMap { [$0.pair.low, $0.pair.high] }))
        let counted = try await transaction.run(
            """
            with carrying as materialized (
                select e.identifier_id, e.event_id, e.created_at from identifier_event e
                where e.identifier_id = any(\(ends))
                union
                select r.placed_on, r.id, r.created_at from customer_raw_event r
                where r.placed_on = any(\(ends))
            ), together as materialized (
                select low.identifier_id as low_id, high.identifier_id as high_id, low.event_id,
                       (
                           select coalesce(r.stands_for, 1) from customer_raw_event r
                           where r.id = low.event_id and r.created_at = low.created_at
                             and r.source <> \(Event.browserSource)
                       ) as events
                from carrying low join carrying high
                    on high.event_id = low.event_id and low.identifier_id < high.identifier_id
            )
            select place, sum(events)::bigint
            from (
                select distinct place, event_id, events
                from unnest(\(pairs.map(\.place)), \(pairs.map(\.pair.low)), \(pairs.map(\.pair.high)))
                    as asked (place, low_id, high_id)
                join together using (low_id, high_id)
                where events is not null
            ) as counted
            group by place
            """
        ).decode((Int, Int64).self)
        for (place, count) in counted { counts[place] = count }
        return counts
    }

    /// What has become of rows whose pairs ask nothing any more, or ask it in another row: merged, when the
    /// profiles of each of its pairs have become one or it waits elsewhere.
    func fates(
        of rows: [Stored], in transaction: PostgresTransaction
    ) async throws -> [ReviewRowID: ReviewQueue.Status] {
        guard !rows.isEmpty else { return [:] }
        let pairs = rows.flatMap { row in row.row.pairs.map { (row.id, $0) } }
        let fates = try await transaction.run(
            """
            select asked.id, bool_and(
                low.profile_id is not distinct from high.profile_id and low.profile_id is not null
                or p.state = 'held' and low.flag is null and high.flag is null)
            from unnest(\(pairs.map(\.0)), \(pairs.map(\.1.low)), \(pairs.map(\.1.high)))
                as asked (id, low_id, high_id)
            join customer_identifier low on low.id = low_id
            join customer_identifier high on high.id = high_id
            left join identity_pair p using (low_id, high_id)
            group by asked.id
            """
        ).decode((ReviewRowID, Bool?).self)
        return Dictionary(uniqueKeysWithValues: fates.map { ($0, $1 == true ? .merged : .rejected) })
    }
}

// MARK: - Writing

extension ReviewQueueStore {
    func close(
        _ rows: [ReviewRowID: ReviewQueue.Status], in transaction: PostgresTransaction
    ) async throws {
        guard !rows.isEmpty else { return }
        let rows = rows.map { ($0.key, $0.value.rawValue) }
        try await transaction.run(
            """
            update manual_merge_queue q set status = closed.status, updated_at = now()
            from unnest(\(rows.map(\.0)), \(rows.map(\.1))) as closed (id, status)
            where q.id = closed.id
            """)
    }

    func insert(_ rows: [Fresh], in transaction: PostgresTransaction) async throws {
        guard !rows.isEmpty else { return }
        try await transaction.run(
            """
            insert into manual_merge_queue
                (id, profile_ids, identifier_id, low_ids, high_ids, events, reason, status, created_at,
                 updated_at)
            select id, to_jsonb(profiles::uuid[]), identifier, low::uuid[], high::uuid[], events, said.reason,
                   'pending', said.since, now()
            from \(ReviewQueueStore.sent(rows)) cross join \(ReviewQueueStore.said)
            """)
    }

    func update(_ rows: [Fresh], in transaction: PostgresTransaction) async throws {
        guard !rows.isEmpty else { return }
        try await transaction.run(
            """
            update manual_merge_queue q
            set profile_ids = to_jsonb(profiles::uuid[]), low_ids = low::uuid[], high_ids = high::uuid[],
                events = sent.events, reason = said.reason, updated_at = now()
            from \(ReviewQueueStore.sent(rows)) cross join \(ReviewQueueStore.said)
            where q.id = sent.id
            """)
    }

    /// The rows; lists travel as the text of arrays, since arrays of arrays must be rectangular.
    private static func sent(_ rows: [Fresh]) -> SQL {
        """
        unnest(
            \(rows.map(\.id)), \(rows.map { array($0.row.profiles) }), \(rows.map(\.row.identifier)),
            \(rows.map { array($0.row.pairs.map(\.low)) }), \(rows.map { array($0.row.pairs.map(\.high)) }),
            \(rows.map(\.events)), \(rows.map { array($0.holds) }))
            as sent (id, profiles, identifier, low, high, events, holds)
        """
    }

    private static func array(_ values: [some CustomStringConvertible]) -> String {
        "{\(values.map(\.description).joined(separator: ","))}"
    }

    /// Why a row's pairs are held, and since when.
    private static let said: SQL = """
        lateral (
            select string_agg(distinct d.reason, '; ') as reason, min(d.created_at) as since
            from identity_decision d where d.sequence = any(sent.holds::bigint[])
        ) as said
        """
}

// MARK: - Reading

extension ReviewQueueStore {
    /// A row that somebody wants to answer; nil when there is none.
    func row(_ id: ReviewRowID, in transaction: PostgresTransaction) async throws -> Asked? {
        try await transaction.run(
            """
            select q.status, q.identifier_id, q.low_ids, q.high_ids, \(ReviewQueueStore.shown)
            from manual_merge_queue q where q.id = \(id)
            """
        ).decode((String, IdentifierID?, [IdentifierID], [IdentifierID], String).self).first
            .map { status, identifier, low, high, shown in
                Asked(
                    status: ReviewQueue.Status(rawValue: status) ?? .rejected, identifier: identifier,
                    pairs: zip(low, high).map { IdentifierPair($0, $1) }, shown: shown)
            }
    }

    func list(
        _ status: ReviewQueue.Status, behind cursor: PageCursor?, limit: Int,
        in transaction: PostgresTransaction
    ) async throws -> [ListedDocument] {
        var condition: SQL = "q.status = \(status.rawValue)"
        if let cursor { condition += " and (q.created_at, q.id) < (\(cursor.instant), \(cursor.id))" }
        let rows = try await transaction.run(
            """
            select q.created_at, q.id, \(ReviewQueueStore.document) from manual_merge_queue q
            where \(condition) order by q.created_at desc, q.id desc limit \(limit)
            """)
        return try rows.decode((Timestamp, UUIDv7, String).self).map { instant, id, json in
            ListedDocument(json: json, cursor: PageCursor(instant: instant, id: id))
        }
    }

    func documents(
        of rows: [ReviewRowID], in transaction: PostgresTransaction
    ) async throws -> [String] {
        guard !rows.isEmpty else { return [] }
        return try await transaction.run(
            """
            select \(ReviewQueueStore.document) from manual_merge_queue q where q.id = any(\(rows))
            order by q.id
            """
        ).decode(String.self)
    }

    private static let shown: SQL = "md5(q.profile_ids::text || q.low_ids::text || q.high_ids::text)"

    /// How many pairs and profiles of a row are shown; all are counted.
    private static let shownAtMost = 100

    /// A row with its evidence. A value at an end of pairs in three pending rows or more is suggested to be
    /// shared, when it is a phone, which a family may have, and else to be blocked.
    private static let document: SQL = """
        json_build_object(
            'id', q.id, 'status', q.status, 'reason', q.reason, 'events', q.events,
            'shown', \(shown), 'profileIds', q.profile_ids,
            'identifier', (
                select json_build_object('id', i.id, 'kind', i.kind, 'value', i.value)
                from customer_identifier i where i.id = q.identifier_id),
            'pairCount', cardinality(q.low_ids),
            'pairs', (
                select json_agg(json_build_object(
                    'left', json_build_object(
                        'id', l.id, 'kind', l.kind, 'value', l.value, 'profileId', l.profile_id),
                    'right', json_build_object(
                        'id', h.id, 'kind', h.kind, 'value', h.value, 'profileId', h.profile_id))
                    order by place)
                from unnest(q.low_ids, q.high_ids) with ordinality as pair (low_id, high_id, place)
                join customer_identifier l on l.id = low_id join customer_identifier h on h.id = high_id
                where place <= \(raw: "\(shownAtMost)")),
            'profiles', (
                select coalesce(json_agg(json_build_object(
                    'id', p.id, 'identifiers', p.identifiers, 'profileStrength', p.profile_strength,
                    'lifetimeValue',
                    round(p.lifetime_value, greatest(2, min_scale(p.lifetime_value)))::text,
                    'totalOrders', p.total_orders) order by place), '[]')
                from jsonb_array_elements_text(q.profile_ids) with ordinality as asked (id, place)
                join customer_profile p on p.id = asked.id::uuid
                where place <= \(raw: "\(shownAtMost)")),
            'suggestions', (
                select coalesce(json_agg(json_build_object(
                    'id', i.id, 'kind', i.kind, 'value', i.value, 'rows', busy.rows,
                    'decision', case i.kind when 'phone' then 'share' else 'block' end)
                    order by busy.rows desc, i.id), '[]')
                from (
                    select e.id, count(distinct o.id) as rows
                    from unnest(q.low_ids || q.high_ids) as e (id)
                    join manual_merge_queue o
                        on o.status = 'pending' and (e.id = any(o.low_ids) or e.id = any(o.high_ids))
                    group by e.id
                ) as busy
                join customer_identifier i on i.id = busy.id
                where busy.rows >= 3 or busy.id = q.identifier_id),
            'createdAt', to_char(q.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'updatedAt', to_char(q.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
        """
}
