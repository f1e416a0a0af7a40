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

    /// One profile: by its own id, or by any other id that was ever given out and leads to it. nil for an id
    /// that never was one.
    ///
    /// - Throws: `Fault.gone` for an identifier that is blocked, with the profiles that it tied.
    public func show(_ id: ProfileID) async throws -> String? {
        // Nearly every id that is asked for leads there directly.
        let direct = try await documents(
            """
            from customer_identifier i join customer_profile p on p.id = i.profile_id
            where i.id = \(id) and i.flag is null
            """)
        if let found = direct.first { return found.json }
        guard let profile = try await resolve(id) else { return nil }
        return try await documents("from customer_profile p where p.id = \(profile)").first?.json
    }

    /// Profiles that a fault names.
    private static let namedAtMost = 20

    /// The profile that an id leads to at present: its identifier's; of a weak identifier its own while
    /// something is placed on it, else that of whoever signed in on it first. nil for an id that never was a
    /// profile's.
    ///
    /// - Throws: `Fault.gone` for an identifier that is blocked, with the profiles that it tied, and for a
    ///   shared one which nobody signed in on.
    public func resolve(_ id: ProfileID) async throws -> ProfileID? {
        let rows = try await database.run(
            """
            select i.kind || ' ' || i.value, i.flag, coalesce(i.profile_id, (
                       select o.profile_id from identifier_sign_in s
                       join customer_identifier o on o.id = s.owner_id
                       where s.identifier_id = i.id
                       order by s.occurred_at, s.event_key, s.source limit 1)),
                   array(
                       select distinct o.profile_id from (
                           select p.high_id from identity_pair p
                           where p.low_id = i.id and p.state = 'in_force'
                           union select p.low_id from identity_pair p
                           where p.high_id = i.id and p.state = 'in_force'
                           union select w.owner_id from identifier_owner w where w.identifier_id = i.id
                       ) as tied (id) join customer_identifier o using (id)
                       where i.flag = 'blocked' and o.profile_id is not null
                       order by 1 limit \(ProfileListStore.namedAtMost + 1))
            from customer_identifier i where i.id = \(id)
            """
        ).decode((String, String?, ProfileID?, [ProfileID]).self)
        guard let (name, flag, profile, tied) = rows.first else { return nil }
        if flag == "blocked" {
            let named = tied.prefix(ProfileListStore.namedAtMost).map(\.description).joined(separator: ", ")
            let more = tied.count > ProfileListStore.namedAtMost ? " and more" : ""
            throw Fault(
                .gone, doing: "show the profile",
                "\(name) is blocked; it tied " + (tied.isEmpty ? "no profiles" : "\(named)\(more)"))
        }
        if flag == "shared", profile == nil {
            throw Fault(.gone, doing: "show the profile", "\(name) is shared; nothing is placed on it")
        }
        return profile
    }

    private func documents(_ rest: SQL) async throws -> [ListedDocument] {
        let rows = try await database.run("select p.created_at, p.id, \(ProfileListStore.document) " + rest)
        return try rows.decode((Timestamp, UUIDv7, String).self).map { instant, id, json in
            ListedDocument(json: json, cursor: PageCursor(instant: instant, id: id))
        }
    }
}
