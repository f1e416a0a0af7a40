import Contract
import Kernel
import Postgres

/// The table of profiles.
public struct ProfileStore: Sendable {
    public init() {}

    /// Makes profiles that did not exist, and counts them.
    func make(_ profiles: [ProfileID: Timestamp], in transaction: PostgresTransaction) async throws {
        guard !profiles.isEmpty else { return }
        let made = profiles.sorted { $0.key < $1.key }
        try await transaction.run(
            """
            insert into customer_profile (id, created_at, updated_at)
            select id, made_at, made_at
            from unnest(\(made.map(\.key)), \(made.map(\.value))) as made (id, made_at)
            """)
        try await transaction.run("update brand_totals set profiles = profiles + \(Int64(made.count))")
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
