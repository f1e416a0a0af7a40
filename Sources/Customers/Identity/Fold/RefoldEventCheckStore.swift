import Contract
import Postgres

/// Compares where events are placed, what finds them, and consent with the scratch tables.
extension RefoldIdentityCheckStore {
    private static func named(_ column: SQL) -> SQL { RefoldCheck.identifier(column) }
    private static func value(_ expression: SQL) -> SQL { RefoldCheck.value(expression) }

    /// Events of test keys have no place.
    static var placements: RefoldCheck {
        let misplaced: SQL = """
            select r.id, r.created_at, r.placed_on as is_on, f.placed_on as should_on,
                   r.customer_profile_id as is_in, f.profile_id as should_in
            from customer_raw_event r left join refold_event f
                on f.id = r.id and f.created_at = r.created_at
            where (r.placed_on, r.customer_profile_id) is distinct from (f.placed_on, f.profile_id)
            """
        return RefoldCheck(
            "placement", difference: misplaced,
            words: """
                'event ' || id || case when is_on is distinct from should_on
                    then ' is placed on ' || \(named("is_on")) || ', should be on ' || \(named("should_on"))
                    else ' is in the profile ' || \(value("is_in")) || ', should be in '
                        || \(value("should_in")) end
                """,
            corrections: [
                "with misplaced as materialized (" + misplaced + """
                    )
                    update customer_raw_event r
                    set placed_on = m.should_on, customer_profile_id = m.should_in
                    from misplaced m where r.id = m.id and r.created_at = m.created_at
                    """
            ])
    }

    /// There may be more rows than are needed: an event that has moved leaves some.
    static var carried: RefoldCheck {
        RefoldCheck(
            "carried",
            difference: """
                select f.identifier_id, f.event_id from refold_carried f
                where not exists (
                    select from identifier_event c
                    where c.identifier_id = f.identifier_id and c.event_id = f.event_id
                      and c.created_at = f.created_at)
                """,
            words: "'event ' || event_id || ' is not found from ' || \(named("identifier_id"))",
            corrections: [
                """
                insert into identifier_event as c (identifier_id, event_id, created_at)
                select identifier_id, event_id, created_at from refold_carried
                on conflict (identifier_id, event_id) do update set created_at = excluded.created_at
                where c.created_at <> excluded.created_at
                """
            ])
    }

    static var consents: RefoldCheck {
        let says: (SQL, SQL) -> SQL = { granted, at in
            """
            coalesce(case when \(granted) then 'granted' else 'denied' end || ' at ' || (\(at))::text,
                'not given')
            """
        }
        return RefoldCheck(
            "consent",
            difference: """
                select identifier_id, channel, purpose, c.granted as is, c.occurred_at as is_at,
                       f.granted as should, f.occurred_at as should_at
                from consent c full join refold_consent f using (identifier_id, channel, purpose)
                where (c.granted, c.occurred_at) is distinct from (f.granted, f.occurred_at)
                """,
            words: """
                purpose || ' by ' || channel || ' of ' || \(named("identifier_id")) || ' is '
                    || \(says("shown.is", "is_at")) || ', should be ' || \(says("should", "should_at"))
                """,
            corrections: [
                """
                delete from consent c
                where not exists (
                    select from refold_consent f
                    where (f.identifier_id, f.channel, f.purpose)
                        = (c.identifier_id, c.channel, c.purpose))
                """,
                """
                insert into consent as c (identifier_id, channel, purpose, granted, occurred_at)
                select identifier_id, channel, purpose, granted, occurred_at from refold_consent
                on conflict (identifier_id, channel, purpose) do update
                set granted = excluded.granted, occurred_at = excluded.occurred_at
                where (c.granted, c.occurred_at) is distinct from (excluded.granted, excluded.occurred_at)
                """,
            ])
    }
}
