import Contract
import Postgres

/// Compares the tables of identity with the scratch tables.
package enum RefoldIdentityCheckStore {
    /// In the order in which they are corrected.
    package static var checks: [RefoldCheck] {
        [
            identifiers, flags, memberships, pairs, nevers, signIns, owners, consents, placements, carried,
        ]
    }

    private static func named(_ column: SQL) -> SQL { RefoldCheck.identifier(column) }
    private static func value(_ expression: SQL) -> SQL { RefoldCheck.value(expression) }

    private static var identifiers: RefoldCheck {
        RefoldCheck(
            "identifier",
            difference: """
                select f.kind, f.value from refold_identifier f
                where not exists (select from customer_identifier c where c.id = f.id)
                """,
            words: "kind || ' ' || value || ' is carried by an event and is not in the table'",
            corrections: [
                """
                insert into customer_identifier (id, kind, value, profile_id, flag, first_seen_at)
                select id, kind, value, profile_id, flag, first_seen_at from refold_identifier f
                where not exists (select from customer_identifier c where c.id = f.id)
                """
            ])
    }

    private static var flags: RefoldCheck {
        RefoldCheck(
            "flag",
            difference: """
                select f.kind, f.value, c.flag as is, f.flag as should
                from customer_identifier c join refold_identifier f using (id)
                where c.flag is distinct from f.flag
                """,
            words: """
                kind || ' ' || value || ' has the flag ' || \(value("shown.is")) || ', should have '
                    || \(value("should"))
                """,
            corrections: [
                """
                update customer_identifier c set flag = f.flag from refold_identifier f
                where f.id = c.id and c.flag is distinct from f.flag
                """
            ])
    }

    private static var memberships: RefoldCheck {
        RefoldCheck(
            "membership",
            difference: """
                select f.kind, f.value, c.profile_id as is, f.profile_id as should
                from customer_identifier c join refold_identifier f using (id)
                where c.profile_id is distinct from f.profile_id
                """,
            words: """
                kind || ' ' || value || ' is in the profile ' || \(value("shown.is")) || ', should be in '
                    || \(value("should"))
                """,
            corrections: [
                """
                update customer_identifier c set profile_id = f.profile_id from refold_identifier f
                where f.id = c.id and c.profile_id is distinct from f.profile_id
                """
            ])
    }

    /// A row that no event ties and the log keeps out of force says nothing, so it may be there or not.
    private static var pairs: RefoldCheck {
        let says: (SQL) -> SQL = { row in
            """
            coalesce((\(row)).state || coalesce(' by decision ' || (\(row)).hold, '')
                || case when (\(row)).tied then ', tied' else ', not tied' end, 'not there')
            """
        }
        return RefoldCheck(
            "pair",
            difference: """
                select low_id, high_id, p as is, f as should
                from identity_pair p full join refold_pair f using (low_id, high_id)
                where (p.state, p.hold, p.tied) is distinct from (f.state, f.hold, f.tied)
                  and not (f.state is null and p.state = 'out' and not p.tied)
                """,
            words: """
                'the pair ' || \(named("low_id")) || ' - ' || \(named("high_id")) || ' is '
                    || \(says("shown.is")) || '; should be ' || \(says("should"))
                """,
            corrections: [
                """
                delete from identity_pair p
                where not exists (
                    select from refold_pair f where f.low_id = p.low_id and f.high_id = p.high_id)
                """,
                """
                insert into identity_pair as p (low_id, high_id, state, hold, tied)
                select low_id, high_id, state, hold, tied from refold_pair
                on conflict (low_id, high_id) do update
                set state = excluded.state, hold = excluded.hold, tied = excluded.tied
                where (p.state, p.hold, p.tied)
                    is distinct from (excluded.state, excluded.hold, excluded.tied)
                """,
            ])
    }

    private static var nevers: RefoldCheck {
        RefoldCheck(
            "never",
            difference: """
                select low_id, high_id, f.low is not null as should
                from identity_never n
                full join (select low_id, high_id, low_id as low from refold_never) f using (low_id, high_id)
                where f.low is null or n.low_id is null
                """,
            words: """
                'a never between ' || \(named("low_id")) || ' and ' || \(named("high_id"))
                    || case when should then ' is missing' else ' is there and was not decided' end
                """,
            corrections: [
                """
                delete from identity_never n
                where not exists (
                    select from refold_never f where f.low_id = n.low_id and f.high_id = n.high_id)
                """,
                """
                insert into identity_never (low_id, high_id) select low_id, high_id from refold_never
                on conflict do nothing
                """,
            ])
    }

    private static var signIns: RefoldCheck {
        let says: (SQL, SQL) -> SQL = { isThere, owner in
            """
            case when not \(isThere) then 'not there' when \(owner) is null then 'a sign-out'
                else 'a sign-in of ' || \(named(owner)) end
            """
        }
        return RefoldCheck(
            "sign-in",
            difference: """
                select identifier_id, occurred_at, event_key, s.owner_id as is, f.owner_id as should,
                       s.there is not null as is_there, f.there is not null as should_be_there
                from (select *, true as there from identifier_sign_in) s
                full join (select *, true as there from refold_sign_in) f
                    using (identifier_id, occurred_at, event_key, source)
                where s.there is null or f.there is null or s.owner_id is distinct from f.owner_id
                """,
            words: """
                'the event ' || event_key || ' on ' || \(named("identifier_id")) || ' is '
                    || \(says("is_there", "shown.is")) || ', should be '
                    || \(says("should_be_there", "should"))
                """,
            corrections: [
                """
                delete from identifier_sign_in s
                where not exists (
                    select from refold_sign_in f
                    where (f.identifier_id, f.occurred_at, f.event_key, f.source)
                        = (s.identifier_id, s.occurred_at, s.event_key, s.source))
                """,
                """
                insert into identifier_sign_in as s
                    (identifier_id, occurred_at, event_key, source, owner_id)
                select identifier_id, occurred_at, event_key, source, owner_id from refold_sign_in
                on conflict (identifier_id, occurred_at, event_key, source) do update
                set owner_id = excluded.owner_id where s.owner_id is distinct from excluded.owner_id
                """,
            ])
    }

    private static var owners: RefoldCheck {
        RefoldCheck(
            "owner",
            difference: """
                select identifier_id, owner_id, f.there is not null as should
                from identifier_owner o
                full join (
                    select distinct identifier_id, owner_id, true as there from refold_sign_in
                    where owner_id is not null
                ) f using (identifier_id, owner_id)
                where f.there is null or o.owner_id is null
                """,
            words: """
                \(named("owner_id")) || ' as an owner of ' || \(named("identifier_id"))
                    || case when should then ' is missing' else ' is there and never signed in' end
                """,
            corrections: [
                """
                delete from identifier_owner o
                where not exists (
                    select from refold_sign_in f
                    where f.identifier_id = o.identifier_id and f.owner_id = o.owner_id)
                """,
                """
                insert into identifier_owner (identifier_id, owner_id)
                select distinct identifier_id, owner_id from refold_sign_in where owner_id is not null
                on conflict do nothing
                """,
            ])
    }
}
