import Contract
import Events
import Postgres

/// Reads profiles for the report on a decision.
struct DecisionReportStore {
    /// The first of `profiles` that there are, as JSON, with the consent of their identifiers.
    func profiles(
        _ profiles: Set<ProfileID>, on database: some PostgresRunner
    ) async throws -> [ProfileID: String] {
        guard !profiles.isEmpty else { return [:] }
        let rows = try await database.run(
            """
            select p.id, json_build_object(
                'id', p.id, 'identifiers', p.identifiers, 'profileStrength', p.profile_strength,
                'lifetimeValue', round(p.lifetime_value, greatest(2, min_scale(p.lifetime_value)))::text,
                'totalOrders', p.total_orders,
                'firstSeenAt', to_char(p.first_seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'lastSeenAt', to_char(p.last_seen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'consent', (
                    select coalesce(json_agg(
                        json_build_object('kind', i.kind, 'value', i.value, 'channel', c.channel,
                                          'purpose', c.purpose, 'granted', c.granted)
                        order by i.id, c.channel, c.purpose), '[]')
                    from jsonb_each(p.identifiers) as held (kind, list)
                    cross join jsonb_array_elements_text(held.list) as listed (value)
                    join customer_identifier i on i.kind = held.kind and i.value = listed.value
                    join consent c on c.identifier_id = i.id))::text
            from customer_profile p where p.id = any(\(profiles.sorted()))
            order by p.id limit \(DecisionReport.maximumProfiles)
            """
        ).decode((ProfileID, String).self)
        return Dictionary(uniqueKeysWithValues: rows)
    }
}
