import Contract
import Events
import Kernel
import Postgres

/// The table of profiles.
public struct ProfileStore: Sendable {
    public init() {}

    /// Makes profiles that did not exist, and counts them.
    func make(_ profiles: Set<ProfileID>, in transaction: PostgresTransaction) async throws {
        guard !profiles.isEmpty else { return }
        try await transaction.run(all: [
            """
            insert into customer_profile (id, created_at, updated_at)
            select i.id, i.first_seen_at, now()
            from unnest(\(profiles.sorted())) as made (id) join customer_identifier i using (id)
            """,
            "update brand_totals set profiles = profiles + \(Int64(profiles.count))",
        ])
    }

    /// Takes profiles away on which nothing is placed any more, and counts them.
    func remove(_ profiles: Set<ProfileID>, in transaction: PostgresTransaction) async throws {
        guard !profiles.isEmpty else { return }
        try await transaction.run(all: [
            "delete from customer_profile where id = any(\(profiles.sorted()))",
            "update brand_totals set profiles = profiles - \(Int64(profiles.count))",
        ])
    }

    /// Profiles as they are, as JSON for the record.
    func snapshots(
        of profiles: Set<ProfileID>, in transaction: PostgresTransaction
    ) async throws -> [ProfileID: IdentityChange.JSONBytes] {
        guard !profiles.isEmpty else { return [:] }
        let rows = try await transaction.run(
            """
            select id, jsonb_build_object(
                'id', id, 'identifiers', identifiers, 'profileStrength', profile_strength,
                'lifetimeValue', round(lifetime_value, greatest(2, min_scale(lifetime_value)))::text,
                'totalOrders', total_orders,
                'firstSeenAt', to_char(first_seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'lastSeenAt', to_char(last_seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
            from customer_profile where id = any(\(profiles.sorted()))
            """
        ).decode((ProfileID, JSONB).self)
        return Dictionary(uniqueKeysWithValues: rows.map { ($0, $1.bytes) })
    }

    /// Derives anew when profiles were first and last seen, from all that is placed on them.
    func deriveSightings(of profiles: Set<ProfileID>, in transaction: PostgresTransaction) async throws {
        guard !profiles.isEmpty else { return }
        try await transaction.run(
            """
            update customer_profile p
            set first_seen_at = (select min(occurred_at) from customer_raw_event
                                 where customer_profile_id = p.id),
                last_seen_at = (select max(occurred_at) from customer_raw_event
                                where customer_profile_id = p.id),
                updated_at = now()
            where p.id = any(\(profiles.sorted()))
            """)
    }

    /// Writes anew what is derived from the identifiers of `profiles`: the list of them, and the strength.
    func refreshIdentifiers(
        of profiles: Set<ProfileID>, in transaction: PostgresTransaction
    ) async throws {
        guard !profiles.isEmpty else { return }
        let weights = Identifier.Kind.allCases
        try await transaction.run(
            """
            update customer_profile
            set identifiers = listed.identifiers, profile_strength = listed.strength, updated_at = now()
            from (
                select profile_id, jsonb_object_agg(kind, held) as identifiers,
                       sum(weight)::integer as strength
                from (
                    select profile_id, kind, jsonb_agg(value order by id) as held
                    from customer_identifier where profile_id = any(\(Array(profiles)))
                    group by profile_id, kind
                ) as kinds
                join unnest(\(weights.map(\.rawValue)), \(weights.map { Int64($0.weight) }))
                    as weights (kind, weight)
                    using (kind)
                group by profile_id
            ) as listed
            where customer_profile.id = listed.profile_id
            """)
    }

    /// Widens when profiles were first and last seen.
    func see(
        _ sightings: [ProfileID: (first: Timestamp, last: Timestamp)], in transaction: PostgresTransaction
    ) async throws {
        guard !sightings.isEmpty else { return }
        let seen = sightings.sorted { $0.key < $1.key }
        try await transaction.run(
            """
            update customer_profile
            set first_seen_at = least(first_seen_at, seen.first),
                last_seen_at = greatest(last_seen_at, seen.last),
                updated_at = now()
            from unnest(\(seen.map(\.key)), \(seen.map(\.value.first)), \(seen.map(\.value.last)))
                as seen (id, first, last)
            where customer_profile.id = seen.id
            """)
    }
}
