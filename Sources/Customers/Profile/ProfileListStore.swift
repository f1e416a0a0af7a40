import Contract
import Kernel
import Postgres

/// Reads profiles as the JSON documents of the API.
public struct ProfileListStore: Sendable {
    private let database: PostgresPool

    public init(database: PostgresPool) { self.database = database }

    private static let document: SQL = """
        json_build_object(
            'id', p.id, 'brandId', (select brand_id from brand_state), 'identifiers', p.identifiers,
            'profileStrength', p.profile_strength,
            'lifetimeValue', round(p.lifetime_value, greatest(2, min_scale(p.lifetime_value)))::text,
            'totalOrders', p.total_orders,
            'firstSeenAt', to_char(p.first_seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'lastSeenAt', to_char(p.last_seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'createdAt', to_char(p.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'updatedAt', to_char(p.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
        """

    /// The newest profiles first, by when they were made; at most `limit`, behind `cursor`.
    public func list(behind cursor: PageCursor?, limit: Int) async throws -> [ListedDocument] {
        var condition: SQL = "true"
        if let cursor { condition = "p.id < \(cursor.id)" }
        return try await documents(
            "from customer_profile p where \(condition) order by p.id desc limit \(limit)")
    }

    /// The profile that has this identifier; at most one.
    public func find(_ identifier: Identifier) async throws -> [ListedDocument] {
        try await documents(
            """
            from customer_profile p join customer_identifier i on i.profile_id = p.id
            where i.kind = \(identifier.kind.rawValue) and i.value = \(identifier.value)
            """)
    }

    /// One profile: by its own id, or by the id of any identifier that is in it, so that an id once given out
    /// goes on resolving. nil when there is none.
    public func show(_ id: ProfileID) async throws -> String? {
        try await documents(
            """
            from customer_profile p
            where p.id = coalesce((select profile_id from customer_identifier where id = \(id)), \(id))
            """
        ).first?.json
    }

    private func documents(_ rest: SQL) async throws -> [ListedDocument] {
        let rows = try await database.run("select p.created_at, p.id, \(ProfileListStore.document) " + rest)
        return try rows.decode((Timestamp, UUIDv7, String).self).map { instant, id, json in
            ListedDocument(json: json, cursor: PageCursor(instant: instant, id: id))
        }
    }
}
