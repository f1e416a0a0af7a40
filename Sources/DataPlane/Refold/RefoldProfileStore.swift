import Contract
import Customers
import Postgres

/// Derives all profiles and the brand's totals anew in a scratch table of the transaction, and compares.
struct RefoldProfileStore {
    /// Makes the scratch table; it goes with the transaction.
    func prepare(in transaction: PostgresTransaction) async throws {
        try await transaction.run(
            """
            create temporary table refold_profile (
                id uuid primary key, identifiers jsonb not null, profile_strength bigint not null,
                lifetime_value numeric not null, total_orders bigint not null, first_seen_at timestamptz,
                last_seen_at timestamptz
            ) on commit drop
            """)
    }

    /// Fills it from the scratch tables of identifiers, events and orders, which must be filled.
    func fill(in transaction: PostgresTransaction) async throws {
        let kinds = Identifier.Kind.allCases
        try await transaction.run(
            """
            insert into refold_profile
            select m.profile_id, m.identifiers, m.strength, coalesce(o.value, 0), coalesce(o.orders, 0),
                   s.first, s.last
            from (
                select profile_id, jsonb_object_agg(kind, held) as identifiers, sum(weight) as strength
                from (
                    select profile_id, kind, jsonb_agg(value order by id) as held
                    from refold_identifier where profile_id is not null group by profile_id, kind
                ) as held
                join unnest(\(kinds.map(\.rawValue)), \(kinds.map { Int64($0.weight) }))
                    as weights (kind, weight) using (kind)
                group by profile_id
            ) as m
            left join (
                select profile_id, count(*) filter (where not is_cancelled) as orders,
                       sum(brand_value) as value
                from refold_order group by profile_id
            ) as o using (profile_id)
            left join (
                select profile_id, min(occurred_at) as first, max(occurred_at) as last
                from refold_event group by profile_id
            ) as s using (profile_id)
            """)
        try await transaction.run("analyze refold_profile")
    }

    /// In the order in which they are corrected.
    static var checks: [RefoldCheck] { [profiles, totals] }

    private static var profiles: RefoldCheck {
        let differs: SQL = """
            (p.identifiers, p.profile_strength, p.lifetime_value, p.total_orders, p.first_seen_at,
             p.last_seen_at)
            is distinct from
            (f.identifiers, f.profile_strength, f.lifetime_value, f.total_orders, f.first_seen_at,
             f.last_seen_at)
            """
        let says: (SQL) -> SQL = { row in
            """
            coalesce((\(row)).identifiers::text || ' of strength ' || (\(row)).profile_strength || ' with '
                || (\(row)).total_orders || ' orders worth ' || (\(row)).lifetime_value || ', seen '
                || \(RefoldCheck.value("(\(row)).first_seen_at")) || ' to '
                || \(RefoldCheck.value("(\(row)).last_seen_at")), 'not there')
            """
        }
        return RefoldCheck(
            "profile",
            difference: """
                select id, p.id is not null as is_there, p as is, f as should
                from customer_profile p full join refold_profile f using (id)
                where \(differs) or p.id is null or f.id is null
                """,
            words: """
                'the profile ' || id || ' is ' || \(says("shown.is")) || '; should be '
                    || \(says("should"))
                """,
            corrections: [
                """
                delete from customer_profile p
                where not exists (select from refold_profile f where f.id = p.id)
                """,
                """
                update customer_profile p
                set identifiers = f.identifiers, profile_strength = f.profile_strength,
                    lifetime_value = f.lifetime_value, total_orders = f.total_orders,
                    first_seen_at = f.first_seen_at, last_seen_at = f.last_seen_at, updated_at = now()
                from refold_profile f where f.id = p.id and \(differs)
                """,
                """
                insert into customer_profile
                    (id, identifiers, profile_strength, lifetime_value, total_orders, first_seen_at,
                     last_seen_at, created_at, updated_at)
                select f.id, f.identifiers, f.profile_strength, f.lifetime_value, f.total_orders,
                       f.first_seen_at, f.last_seen_at, i.first_seen_at, now()
                from refold_profile f join customer_identifier i on i.id = f.id
                where not exists (select from customer_profile p where p.id = f.id)
                """,
            ])
    }

    private static var totals: RefoldCheck {
        let counted: SQL = """
            (select 1 as id, (select coalesce(sum(stands_for), 0)::bigint from refold_event) as events,
                    (select count(*) from refold_profile) as profiles)
            """
        return RefoldCheck(
            "brand totals",
            difference: """
                select t.events, t.profiles, f.events as should_events, f.profiles as should_profiles
                from \(counted) f left join brand_totals t using (id)
                where (t.events, t.profiles) is distinct from (f.events, f.profiles)
                """,
            words: """
                'the brand has ' || \(RefoldCheck.value("events")) || ' events and '
                    || \(RefoldCheck.value("profiles")) || ' profiles, should have ' || should_events
                    || ' and ' || should_profiles
                """,
            corrections: [
                """
                insert into brand_totals as t (id, events, profiles)
                select id, events, profiles from \(counted) f
                on conflict (id) do update set events = excluded.events, profiles = excluded.profiles
                """
            ])
    }
}
