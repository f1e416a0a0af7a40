import Contract
import Events
import Kernel
import Postgres

/// The tables of identity: identifiers, pairs, and what must never come together.
///
/// `offset 0` keeps each look-up an index scan of its own: of a table that grows by a batch at a time the
/// planner knows too little, and would read all of it instead.
struct IdentityStore {
    /// What is known of `identifiers`, and the newest id of all.
    func known(
        _ identifiers: [Identifier], in transaction: PostgresTransaction
    ) async throws -> (known: [Identifier: IdentityArrival.Known], newest: IdentifierID?) {
        let answers = try await transaction.run(all: [
            """
            select i.kind, i.value, i.id, i.profile_id, i.flag
            from unnest(\(identifiers.map(\.kind.rawValue)), \(identifiers.map(\.value)))
                as sent (kind, value)
            cross join lateral (
                select * from customer_identifier where kind = sent.kind and value = sent.value offset 0
            ) as i
            """, "select id from customer_identifier order by id desc limit 1",
        ])
        var known: [Identifier: IdentityArrival.Known] = [:]
        for row in answers[0] {
            let (kind, value, id, profile, flag) = try row.decode(
                (String, String, IdentifierID, ProfileID?, String?).self)
            guard let kind = Identifier.Kind(rawValue: kind) else { continue }
            known[Identifier(kind: kind, value: value)] = .init(
                id: id, profile: profile, flag: flag.flatMap(DecisionLog.Flag.init))
        }
        return (known, try answers[1].first?.decode(IdentifierID.self))
    }

    /// What is known of `pairs`.
    func known(
        _ pairs: [IdentifierPair], in transaction: PostgresTransaction
    ) async throws -> [IdentifierPair: IdentityArrival.KnownPair] {
        guard !pairs.isEmpty else { return [:] }
        let rows = try await transaction.run(
            """
            select p.low_id, p.high_id, p.state, p.tied,
                   (select d.actor from identity_decision d where d.sequence = p.hold and d.by_limit)
            from unnest(\(pairs.map(\.low)), \(pairs.map(\.high))) as sent (low_id, high_id)
            cross join lateral (
                select * from identity_pair where low_id = sent.low_id and high_id = sent.high_id offset 0
            ) as p
            """)
        var known: [IdentifierPair: IdentityArrival.KnownPair] = [:]
        for row in rows {
            let (low, high, state, isTied, limit) = try row.decode(
                (IdentifierID, IdentifierID, String, Bool, String?).self)
            known[IdentifierPair(low, high)] = .init(
                state: .init(rawValue: state) ?? .out, limit: limit.flatMap(ProfileSets.Limit.init),
                isTied: isTied)
        }
        return known
    }

    /// The sets of `profiles`, whole, with what is blocked beside them and what must never come together.
    ///
    /// - Parameter flagged: identifiers that are in no set, of which it must be known too what they must
    ///   never come together with.
    func sets(
        of profiles: [ProfileID], flagged: [IdentifierID], in transaction: PostgresTransaction
    ) async throws -> ProfileSets {
        guard !profiles.isEmpty || !flagged.isEmpty else { return ProfileSets(nevers: [:]) }
        let answers = try await transaction.run(all: [
            """
            select m.id, m.kind, m.profile_id from \(IdentityStore.members(of: profiles))
            """,
            """
            select b.id, m.id from \(IdentityStore.members(of: profiles))
            cross join lateral (
                select high_id as id from identity_pair where low_id = m.id and state = 'in_force'
                union all
                select low_id from identity_pair where high_id = m.id and state = 'in_force'
                offset 0
            ) as tied
            join customer_identifier b on b.id = tied.id and b.flag = 'blocked'
            """,
        ])
        let members = try answers[0].decode((IdentifierID, String, ProfileID).self)
        let blocked = try answers[1].decode((IdentifierID, IdentifierID).self)
        let named = members.map(\.0) + blocked.map(\.0) + flagged
        var sets = ProfileSets(nevers: try await nevers(named, in: transaction))
        for (id, kind, profile) in members {
            guard let kind = Identifier.Kind(rawValue: kind), kind.strength == .strong else { continue }
            sets.enter(id, kind: kind, profile: profile)
        }
        for (id, member) in blocked { sets.enter(blocked: id, tiedTo: member) }
        return sets
    }

    /// The identifiers of `profiles` that are not flagged, as `m`.
    private static func members(of profiles: [ProfileID]) -> SQL {
        """
        unnest(\(profiles)) as asked (id)
        cross join lateral (
            select * from customer_identifier where profile_id = asked.id and flag is null offset 0
        ) as m
        """
    }

    /// For each of `identifiers`, those that it must not share a profile with.
    func nevers(
        _ identifiers: [IdentifierID], in transaction: PostgresTransaction
    ) async throws -> [IdentifierID: Set<IdentifierID>] {
        let rows = try await transaction.run(
            """
            select low_id, high_id from identity_never where low_id = any(\(identifiers))
            union all
            select high_id, low_id from identity_never where high_id = any(\(identifiers))
            """
        ).decode((IdentifierID, IdentifierID).self)
        var nevers: [IdentifierID: Set<IdentifierID>] = [:]
        for (one, other) in rows {
            nevers[one, default: []].insert(other)
            nevers[other, default: []].insert(one)
        }
        return nevers
    }
}

// MARK: - Writing

extension IdentityStore {
    /// An identifier to be written.
    struct Row {
        let new: IdentityArrival.New
        let profile: ProfileID?
    }

    func insert(_ identifiers: [Row], in transaction: PostgresTransaction) async throws {
        guard !identifiers.isEmpty else { return }
        try await transaction.run(
            """
            insert into customer_identifier (id, kind, value, profile_id, first_seen_at)
            select * from unnest(
                \(identifiers.map(\.new.id)), \(identifiers.map(\.new.identifier.kind.rawValue)),
                \(identifiers.map(\.new.identifier.value)), \(identifiers.map(\.profile)),
                \(identifiers.map(\.new.firstSeenAt)))
            """)
    }

    /// Puts identifiers into profiles; nil takes one out.
    func move(
        _ profiles: [IdentifierID: ProfileID?], in transaction: PostgresTransaction
    ) async throws {
        guard !profiles.isEmpty else { return }
        let moved = profiles.map { (id: $0.key, profile: $0.value) }
        try await transaction.run(
            """
            update customer_identifier set profile_id = moved.profile
            from unnest(\(moved.map(\.id)), \(moved.map(\.profile))) as moved (id, profile)
            where customer_identifier.id = moved.id
            """)
    }

    /// Appends what limits have decided, and gives the sequences.
    func append(
        _ verdicts: [IdentityArrival.Verdict], in transaction: PostgresTransaction
    ) async throws -> [Int64] {
        guard !verdicts.isEmpty else { return [] }
        let pairs = verdicts.enumerated().flatMap { place, verdict in verdict.pairs.map { (place, $0) } }
        let rows = try await transaction.run(
            """
            insert into identity_decision (kind, left_ids, right_ids, by_limit, actor, reason)
            select kind, array_agg(low order by nth), array_agg(high order by nth), true, actor, reason
            from unnest(\(verdicts.map(\.kind.rawValue)), \(verdicts.map(\.limit.rawValue)),
                        \(verdicts.map(\.limit.reason))) with ordinality as said (kind, actor, reason, place)
            join unnest(\(pairs.map { Int64($0.0 + 1) }), \(pairs.map(\.1.low)), \(pairs.map(\.1.high)))
                with ordinality as named (place, low, high, nth) using (place)
            group by place, kind, actor, reason order by place
            returning sequence
            """)
        return try rows.decode(Int64.self).sorted()
    }

    /// A pair to be written.
    struct PairRow {
        let pair: IdentifierPair
        let state: DecisionLog.Standing.State
        let hold: Int64?
        let isTied: Bool
    }

    func write(_ pairs: [PairRow], in transaction: PostgresTransaction) async throws {
        guard !pairs.isEmpty else { return }
        try await transaction.run(
            """
            insert into identity_pair as p (low_id, high_id, state, hold, tied)
            select * from unnest(
                \(pairs.map(\.pair.low)), \(pairs.map(\.pair.high)), \(pairs.map(\.state.rawValue)),
                \(pairs.map(\.hold)), \(pairs.map(\.isTied)))
            on conflict (low_id, high_id) do update
            set state = excluded.state, hold = excluded.hold, tied = p.tied or excluded.tied
            """)
    }
}

extension ProfileSets.Limit {
    /// For people.
    var reason: String {
        switch self {
        case .profiles: "the event would join more than \(ProfileSets.profilesAtOnce) profiles"
        case .kind:
            "the profile would have more than \(ProfileSets.identifiersOfKind) identifiers of one kind"
        case .never: "it would bring together what must never come together"
        }
    }
}
