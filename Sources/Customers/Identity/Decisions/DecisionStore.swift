import Contract
import Events
import Kernel
import Postgres

/// What decisions are made of and about: the log, identifiers, pairs, and the events that carry a value.
struct DecisionStore {
    /// An identifier as it is stored.
    struct Entry: Sendable {
        let id: IdentifierID
        let kind: Identifier.Kind
        let value: String
        var profile: ProfileID?
        var flag: DecisionLog.Flag?

        var isStrong: Bool { kind.strength == .strong }
    }

    private static let entryColumns: SQL =
        "select id, kind, value, profile_id, flag from customer_identifier "

    func entries(
        _ identifiers: some Sequence<IdentifierID>, in transaction: PostgresTransaction
    ) async throws -> [IdentifierID: Entry] {
        try await entries("where id = any(\(Array(Set(identifiers))))", in: transaction)
    }

    /// All identifiers of profiles.
    func entries(
        in profiles: some Sequence<ProfileID>, in transaction: PostgresTransaction
    ) async throws -> [IdentifierID: Entry] {
        try await entries("where profile_id = any(\(Array(Set(profiles))))", in: transaction)
    }

    private func entries(
        _ condition: SQL, in transaction: PostgresTransaction
    ) async throws -> [IdentifierID: Entry] {
        let rows = try await transaction.run(DecisionStore.entryColumns + condition)
            .decode((IdentifierID, String, String, ProfileID?, String?).self)
        var entries: [IdentifierID: Entry] = [:]
        for (id, kind, value, profile, flag) in rows {
            guard let kind = Identifier.Kind(rawValue: kind) else { continue }
            entries[id] = Entry(
                id: id, kind: kind, value: value, profile: profile,
                flag: flag.flatMap(DecisionLog.Flag.init))
        }
        return entries
    }

    /// Stands for the identifiers that profiles have at present.
    func shown(_ profiles: [ProfileID], in transaction: PostgresTransaction) async throws -> String {
        try await transaction.run(
            """
            select md5(string_agg(asked.id || ':' || coalesce(held.ids, ''), ';' order by place))
            from unnest(\(profiles)) with ordinality as asked (id, place)
            left join lateral (
                select string_agg(i.id::text, ',' order by i.id) as ids from customer_identifier i
                where i.profile_id = asked.id
            ) as held on true
            """
        )[0].decode(String.self)
    }

    func setFlag(
        _ flag: DecisionLog.Flag?, of identifier: IdentifierID, in transaction: PostgresTransaction
    ) async throws {
        try await transaction.run(
            "update customer_identifier set flag = \(flag?.rawValue) where id = \(identifier)")
    }
}

// MARK: - The log

extension DecisionStore {
    /// Appends what a person has decided, and gives its sequence.
    func append(
        _ kind: IdentityDecision.Kind, _ left: [IdentifierID], _ right: [IdentifierID],
        by author: DecisionAuthor, in transaction: PostgresTransaction
    ) async throws -> Int64 {
        try await transaction.run(
            """
            insert into identity_decision (kind, left_ids, right_ids, by_limit, actor, reason)
            values (\(kind.rawValue), \(left), \(right), false, \(author.actor), \(author.reason))
            returning sequence
            """
        )[0].decode(Int64.self)
    }

    /// Every decision that names one of `identifiers`.
    func decisions(
        naming identifiers: [IdentifierID], in transaction: PostgresTransaction
    ) async throws -> [IdentityDecision] {
        try await transaction.run(
            """
            select sequence, kind, left_ids, right_ids, by_limit from identity_decision
            where left_ids && \(identifiers) or right_ids && \(identifiers)
            """
        ).decode((Int64, String, [IdentifierID], [IdentifierID], Bool).self)
            .compactMap { sequence, kind, left, right, isByLimit in
                IdentityDecision.Kind(rawValue: kind).map {
                    IdentityDecision(
                        sequence: sequence, kind: $0, left: left, right: right, isByLimit: isByLimit)
                }
            }
    }

    /// Keeps pairs apart, or lets them come together again.
    func setNever(
        _ stands: Bool, across pairs: [IdentifierPair], in transaction: PostgresTransaction
    ) async throws {
        let sent: SQL = "unnest(\(pairs.map(\.low)), \(pairs.map(\.high))) as sent (low_id, high_id)"
        if stands {
            try await transaction.run(
                "insert into identity_never (low_id, high_id) select * from \(sent) on conflict do nothing")
        } else {
            try await transaction.run(
                """
                delete from identity_never n using \(sent)
                where n.low_id = sent.low_id and n.high_id = sent.high_id
                """)
        }
    }
}

// MARK: - Pairs

extension DecisionStore {
    /// A pair as it is stored.
    struct Pair: Sendable, Equatable {
        let state: DecisionLog.Standing.State
        let hold: Int64?
        let isTied: Bool
    }

    /// Every stored pair of which one end is among `identifiers`.
    func pairs(
        of identifiers: [IdentifierID], in transaction: PostgresTransaction
    ) async throws -> [IdentifierPair: Pair] {
        let rows = try await transaction.run(
            """
            select low_id, high_id, state, hold, tied from identity_pair where low_id = any(\(identifiers))
            union
            select low_id, high_id, state, hold, tied from identity_pair where high_id = any(\(identifiers))
            """
        ).decode((IdentifierID, IdentifierID, String, Int64?, Bool).self)
        return Dictionary(
            uniqueKeysWithValues: rows.map { low, high, state, hold, isTied in
                (
                    IdentifierPair(low, high),
                    Pair(state: .init(rawValue: state) ?? .out, hold: hold, isTied: isTied)
                )
            })
    }

    func remove(_ pairs: [IdentifierPair], in transaction: PostgresTransaction) async throws {
        guard !pairs.isEmpty else { return }
        try await transaction.run(
            """
            delete from identity_pair p
            using unnest(\(pairs.map(\.low)), \(pairs.map(\.high))) as sent (low_id, high_id)
            where p.low_id = sent.low_id and p.high_id = sent.high_id
            """)
    }
}

// MARK: - Events

extension DecisionStore {
    /// The stored events that carry a strong identifier.
    func events(
        carrying identifier: IdentifierID, in transaction: PostgresTransaction
    ) async throws -> [WeakStore.Stored] {
        try await events(
            """
            select event_id as id, created_at from identifier_event where identifier_id = \(identifier)
            union
            select id, created_at from customer_raw_event where placed_on = \(identifier)
            """, in: transaction)
    }

    /// The stored events that carry both ends of one of `pairs`.
    func events(
        carryingBothOf pairs: [IdentifierPair], in transaction: PostgresTransaction
    ) async throws -> [WeakStore.Stored] {
        guard !pairs.isEmpty else { return [] }
        return try await events(
            """
            select low.id, low.created_at
            from unnest(\(pairs.map(\.low)), \(pairs.map(\.high))) as sent (low_id, high_id)
            join carrying low on low.identifier_id = low_id
            join carrying high on high.identifier_id = high_id and high.id = low.id
            """,
            carrying: """
                with carrying as materialized (
                    select e.identifier_id, e.event_id as id, e.created_at from identifier_event e
                    where e.identifier_id = any(\(Array(Set(pairs.flatMap { [$0.low, $0.high] }))))
                    union
                    select r.placed_on, r.id, r.created_at from customer_raw_event r
                    where r.placed_on = any(\(Array(Set(pairs.flatMap { [$0.low, $0.high] }))))
                )
                """, in: transaction)
    }

    private func events(
        _ chosen: SQL, carrying: SQL = "", in transaction: PostgresTransaction
    ) async throws -> [WeakStore.Stored] {
        let rows = try await transaction.run(
            carrying + """
                select distinct on (r.id) \(WeakStore.Stored.columns)
                from (\(chosen)) as chosen
                join customer_raw_event r on r.id = chosen.id and r.created_at = chosen.created_at
                where not r.test
                """)
        return try rows.map(WeakStore.Stored.init)
    }

    /// Takes back sign-ins of events, and forgets owners that no sign-in names any more.
    func remove(_ sightings: [WeakSighting], in transaction: PostgresTransaction) async throws {
        guard !sightings.isEmpty else { return }
        try await transaction.run(
            """
            delete from identifier_sign_in s
            using unnest(\(sightings.map(\.weak)), \(sightings.map(\.order.occurredAt)),
                         \(sightings.map(\.order.key)), \(sightings.map(\.order.source)))
                as sent (weak, at, at_key, at_source)
            where s.identifier_id = weak and s.occurred_at = at and s.event_key = at_key
              and s.source = at_source
            """)
    }

    /// Forgets owners of weak identifiers that no sign-in names any more.
    func removeOwners(
        of weak: Set<IdentifierID>, in transaction: PostgresTransaction
    ) async throws {
        guard !weak.isEmpty else { return }
        try await transaction.run(
            """
            delete from identifier_owner o where o.identifier_id = any(\(Array(weak)))
              and not exists (
                  select from identifier_sign_in s
                  where s.identifier_id = o.identifier_id and s.owner_id = o.owner_id)
            """)
    }
}
