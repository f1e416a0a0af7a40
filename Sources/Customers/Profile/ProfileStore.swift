import Contract
import Events
import Kernel
import Postgres

/// The table of profiles.
public struct ProfileStore: Sendable {
    public init() {}

    /// When a profile was seen first and last.
    typealias Sighting = (first: Timestamp, last: Timestamp)

    /// Makes profiles that did not exist, with what is derived from their identifiers, and counts them.
    ///
    /// A new profile is written once, whole: each later change would leave a dead row and dead index entries.
    ///
    /// - Parameter sightings: when they were seen; of those that are not in it, never.
    func make(
        _ profiles: Set<ProfileID>, seen sightings: [ProfileID: Sighting] = [:],
        in transaction: PostgresTransaction
    ) async throws {
        guard !profiles.isEmpty else { return }
        let made = profiles.sorted()
        try await transaction.run(all: [
            """
            insert into customer_profile
                (id, identifiers, profile_strength, first_seen_at, last_seen_at, created_at, updated_at)
            select id, coalesce(listed.identifiers, '{}'), coalesce(listed.strength, 0),
                   made.first, made.last, i.first_seen_at, now()
            from unnest(\(made), \(made.map { sightings[$0]?.first }), \(made.map { sightings[$0]?.last }))
                as made (id, first, last)
            join customer_identifier i using (id)
            left join (\(ProfileStore.listed(of: made))) as listed on listed.profile_id = made.id
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
        try await transaction.run(
            """
            update customer_profile
            set identifiers = listed.identifiers, profile_strength = listed.strength, updated_at = now()
            from (\(ProfileStore.listed(of: Array(profiles)))) as listed
            where customer_profile.id = listed.profile_id
            """)
    }

    /// What is derived from the identifiers of `profiles`: a row for each that has any. `offset 0` keeps each
    /// look-up an index scan of its own (see `IdentityStore`).
    private static func listed(of profiles: [ProfileID]) -> SQL {
        let weights = Identifier.Kind.allCases
        return """
            select profile_id, jsonb_object_agg(kind, held) as identifiers,
                   sum(weight)::integer as strength
            from (
                select i.profile_id, i.kind, jsonb_agg(i.value order by i.id) as held
                from unnest(\(profiles)) as asked (id)
                cross join lateral (
                    select * from customer_identifier where profile_id = asked.id offset 0
                ) as i
                group by i.profile_id, i.kind
            ) as kinds
            join unnest(\(weights.map(\.rawValue)), \(weights.map { Int64($0.weight) }))
                as weights (kind, weight)
                using (kind)
            group by profile_id
            """
    }

    /// Widens when profiles were first and last seen.
    func see(
        _ sightings: [ProfileID: Sighting], in transaction: PostgresTransaction
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
