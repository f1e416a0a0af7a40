import Contract
import Kernel
import Postgres

/// The tables of identity: identifiers, and the pairs that events have tied.
struct IdentityStore {
    /// What is known of `identifiers`, and the newest id of all.
    func known(
        _ identifiers: [Identifier], in transaction: PostgresTransaction
    ) async throws -> (known: [Identifier: IdentityResolution.Known], newest: IdentifierID?) {
        let rows = try await transaction.run(
            """
            select kind, value, id, profile_id from customer_identifier
            join unnest(\(identifiers.map(\.kind.rawValue)), \(identifiers.map(\.value)))
                as sent (kind, value)
                using (kind, value)
            """)
        var known: [Identifier: IdentityResolution.Known] = [:]
        for row in rows {
            let (kind, value, id, profile) = try row.decode(
                (String, String, IdentifierID, ProfileID?).self)
            guard let kind = Identifier.Kind(rawValue: kind) else { continue }
            known[Identifier(kind: kind, value: value)] = .init(id: id, profile: profile)
        }
        let newest = try await transaction.run("select id from customer_identifier order by id desc limit 1")
        return (known, try newest.first?.decode(IdentifierID.self))
    }

    /// Writes what a batch has brought.
    func apply(_ resolution: IdentityResolution, in transaction: PostgresTransaction) async throws {
        try await insertIdentifiers(resolution, in: transaction)
        try await insertTies(resolution.ties, in: transaction)
        let isNew = Set(resolution.new.map(\.identifier))
        let joined = resolution.joined.filter { !isNew.contains($0) }.compactMap { resolution.known[$0] }
        guard !joined.isEmpty else { return }
        try await transaction.run(
            """
            update customer_identifier set profile_id = joined.profile
            from unnest(\(joined.map(\.id)), \(joined.map(\.profile))) as joined (id, profile)
            where customer_identifier.id = joined.id
            """)
    }

    private func insertIdentifiers(
        _ resolution: IdentityResolution, in transaction: PostgresTransaction
    ) async throws {
        let new = resolution.new
        guard !new.isEmpty else { return }
        try await transaction.run(
            """
            insert into customer_identifier (id, kind, value, profile_id, first_seen_at)
            select * from unnest(
                \(new.map(\.id)), \(new.map(\.identifier.kind.rawValue)), \(new.map(\.identifier.value)),
                \(new.map { resolution.known[$0.identifier]?.profile }), \(new.map(\.firstSeenAt)))
            """)
    }

    /// The first event that ties a pair is the one recorded.
    private func insertTies(
        _ ties: [IdentityResolution.Tie], in transaction: PostgresTransaction
    ) async throws {
        guard !ties.isEmpty else { return }
        try await transaction.run(
            """
            insert into identity_pair (low_id, high_id, state, event_id, created_at)
            select * from unnest(
                \(ties.map(\.pair.low)), \(ties.map(\.pair.high)),
                \(ties.map { $0.isPending ? "pending" : "in_force" }), \(ties.map(\.event)),
                \(ties.map(\.at)))
            on conflict (low_id, high_id) do nothing
            """)
    }
}
