import Contract
import Kernel
import Postgres

/// Reads identifiers, and the log of decisions about them, as the JSON documents of the API.
public struct IdentifierListStore: Sendable {
    /// The log, and what was decided by whom, is kept in decisions' sequence; a page goes on behind one.
    public typealias Sequence = Int64

    private let database: PostgresPool

    public init(database: PostgresPool) { self.database = database }

    /// The id of an identifier; nil when no event has brought it.
    public func id(of identifier: Identifier) async throws -> IdentifierID? {
        try await database.run(
            """
            select id from customer_identifier
            where kind = \(identifier.kind.rawValue) and value = \(identifier.value)
            """
        ).first?.decode(IdentifierID.self)
    }

    /// The values that are blocked or shared, the newest first; at most `limit`, behind `cursor`.
    public func flagged(
        _ flag: String?, behind cursor: PageCursor?, limit: Int
    ) async throws -> [ListedDocument] {
        var condition: SQL = "i.flag is not null"
        if let flag { condition = "i.flag = \(flag)" }
        if let cursor { condition += " and i.id < \(cursor.id)" }
        let rows = try await database.run(
            """
            select i.first_seen_at, i.id, json_build_object(
                'id', i.id, 'kind', i.kind, 'value', i.value, 'flag', i.flag, 'reason', d.reason,
                'actor', d.actor, 'byLimit', d.by_limit,
                'since', to_char(d.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
            from customer_identifier i
            left join lateral (
                select reason, actor, by_limit, created_at from identity_decision
                where left_ids = array[i.id] and kind in ('block', 'share') order by sequence desc limit 1
            ) as d on true
            where
            """ + " " + condition + " order by i.id desc limit \(limit)")
        return try rows.decode((Timestamp, UUIDv7, String).self).map { instant, id, json in
            ListedDocument(json: json, cursor: PageCursor(instant: instant, id: id))
        }
    }

    /// What has been decided, the newest first; at most `limit`, behind `sequence`.
    public func decisions(
        behind sequence: Sequence?, limit: Int
    ) async throws -> [(sequence: Sequence, json: String)] {
        func values(_ ids: SQL) -> SQL {
            """
            (select coalesce(
                 json_agg(json_build_object('kind', i.kind, 'value', i.value) order by place), '[]')
             from unnest(\(ids)) with ordinality as named (id, place) join customer_identifier i using (id))
            """
        }
        let rows = try await database.run(
            """
            select d.sequence, json_build_object(
                'sequence', d.sequence, 'kind', d.kind, 'byLimit', d.by_limit, 'actor', d.actor,
                'reason', d.reason, 'left', \(values("d.left_ids")), 'right', \(values("d.right_ids")),
                'createdAt', to_char(d.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
            from identity_decision d where d.sequence < \(sequence ?? .max)
            order by d.sequence desc limit \(limit)
            """)
        return try rows.decode((Sequence, String).self).map { (sequence: $0, json: $1) }
    }

    /// What happened to a profile, the newest first, also as one that came into another; at most `limit`.
    public func history(
        of profile: ProfileID, behind cursor: PageCursor?, limit: Int
    ) async throws -> [ListedDocument] {
        var condition: SQL = "(base_profile_id = \(profile) or merged_profile_id = \(profile))"
        if let cursor { condition += " and (created_at, id) < (\(cursor.instant), \(cursor.id))" }
        let rows = try await database.run(
            """
            select created_at, id, json_build_object(
                'id', id, 'action', action, 'baseProfileId', base_profile_id,
                'mergedProfileId', merged_profile_id, 'reason', reason, 'actor', actor,
                'beforeSnapshot', before_snapshot, 'afterSnapshot', after_snapshot,
                'createdAt', to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
            from merge_history where
            """ + " " + condition + " order by created_at desc, id desc limit \(limit)")
        return try rows.decode((Timestamp, UUIDv7, String).self).map { instant, id, json in
            ListedDocument(json: json, cursor: PageCursor(instant: instant, id: id))
        }
    }
}
