import Contract
import Events
import Kernel
import Postgres

/// Reads what identity is folded from, and holds what it should be in scratch tables of the transaction.
package struct RefoldIdentityStore {
    /// Rows that are read at a time.
    private static let pageRows = 20_000

    package init() {}

    /// Makes the scratch tables; they go with the transaction.
    package func prepare(in transaction: PostgresTransaction) async throws {
        try await transaction.run(all: [
            """
            create temporary table refold_identifier (
                id uuid primary key, kind text not null, value text collate "C" not null, profile_id uuid,
                flag text, first_seen_at timestamptz
            ) on commit drop
            """,
            """
            create temporary table refold_event (
                id uuid not null, created_at timestamptz not null, occurred_at timestamptz not null,
                placed_on uuid, profile_id uuid, stands_for bigint not null
            ) on commit drop
            """,
            """
            create temporary table refold_carried (
                identifier_id uuid not null, event_id uuid not null, created_at timestamptz not null
            ) on commit drop
            """,
            """
            create temporary table refold_pair (
                low_id uuid not null, high_id uuid not null, state text not null, hold bigint,
                tied boolean not null
            ) on commit drop
            """,
            "create temporary table refold_never (low_id uuid, high_id uuid) on commit drop",
            """
            create temporary table refold_sign_in (
                identifier_id uuid not null, occurred_at timestamptz not null,
                event_key text collate "C" not null, source text collate "C" not null, owner_id uuid
            ) on commit drop
            """,
            """
            create temporary table refold_consent (
                identifier_id uuid not null, channel text collate "C" not null,
                purpose text collate "C" not null, granted boolean not null,
                occurred_at timestamptz not null
            ) on commit drop
            """,
        ])
    }

    /// All identifiers of the table.
    package func identifiers(
        in transaction: PostgresTransaction
    ) async throws -> [Identifier: IdentifierID] {
        var identifiers: [Identifier: IdentifierID] = [:]
        var last = IdentifierID(UUIDv7(high: 0, low: 0))
        while true {
            let rows = try await transaction.run(
                """
                select id, kind, value from customer_identifier
                where id > \(last) order by id limit \(Self.pageRows)
                """
            ).decode((IdentifierID, String, String).self)
            for (id, kind, value) in rows {
                guard let kind = Identifier.Kind(rawValue: kind) else { continue }
                identifiers[Identifier(kind: kind, value: value)] = id
            }
            guard rows.count == Self.pageRows, let next = rows.last?.0 else { return identifiers }
            last = next
        }
    }

    /// The whole log of decisions.
    package func decisions(in transaction: PostgresTransaction) async throws -> [IdentityDecision] {
        var decisions: [IdentityDecision] = []
        while true {
            let rows = try await transaction.run(
                """
                select sequence, kind, left_ids, right_ids, by_limit from identity_decision
                where sequence > \(decisions.last?.sequence ?? .min)
                order by sequence limit \(Self.pageRows)
                """
            ).decode((Int64, String, [IdentifierID], [IdentifierID], Bool).self)
            for (sequence, kind, left, right, isByLimit) in rows {
                guard let kind = IdentityDecision.Kind(rawValue: kind) else {
                    throw Fault(
                        .unavailable, doing: "fold the decisions",
                        "the decision \(sequence) is of a kind that this release does not know")
                }
                decisions.append(
                    .init(sequence: sequence, kind: kind, left: left, right: right, isByLimit: isByLimit))
            }
            guard rows.count == Self.pageRows else { return decisions }
        }
    }
}

// MARK: - Scratch tables

extension RefoldIdentityStore {
    /// Fills the scratch tables.
    package func fill(_ folded: RefoldedIdentity, in transaction: PostgresTransaction) async throws {
        try await fillIdentifiers(folded, in: transaction)
        try await fillEvents(folded, in: transaction)
        try await fillPairs(folded.identity, in: transaction)
        try await fillSignIns(folded.identity, in: transaction)
        let consents = RefoldRows(folded.history.consents) { consent, buffer in
            let (key, said) = consent
            buffer.row(
                key.identifier, key.channel.rawValue, String(decoding: key.purpose, as: UTF8.self),
                said.isGranted, said.occurredAt)
        }
        try await transaction.copyIn(copy("refold_consent"), rows: consents)
        try await transaction.run("analyze refold_consent")
    }

    private func copy(_ table: String) -> String { "copy \(table) from stdin (format binary)" }

    private func fillIdentifiers(
        _ folded: RefoldedIdentity, in transaction: PostgresTransaction
    ) async throws {
        let (history, identity) = (folded.history, folded.identity)
        let rows = RefoldRows(history.identifiers) { entry, buffer in
            let (identifier, id) = entry
            buffer.row(
                id, identifier.kind.rawValue, identifier.value, identity.profileOf[id],
                identity.flags[id]?.rawValue, history.firstSeen[id])
        }
        try await transaction.copyIn(copy("refold_identifier"), rows: rows)
        try await transaction.run("analyze refold_identifier")
    }

    private func fillEvents(
        _ folded: RefoldedIdentity, in transaction: PostgresTransaction
    ) async throws {
        let (history, identity) = (folded.history, folded.identity)
        let events = RefoldRows(history.events.indices) { index, buffer in
            let placement = identity.placements[index]
            buffer.row(
                history.places[index].id, history.places[index].receivedAt,
                history.events[index].order.occurredAt, placement,
                placement.flatMap { identity.profileOf[$0] }, Int64(history.events[index].standsFor))
        }
        try await transaction.copyIn(copy("refold_event"), rows: events)
        let carried = RefoldRows(history.events.indices) { index, buffer in
            for id in folded.carried(at: index) {
                buffer.row(id, history.places[index].id, history.places[index].receivedAt)
            }
        }
        try await transaction.copyIn(copy("refold_carried"), rows: carried)
        try await transaction.run(all: ["analyze refold_event", "analyze refold_carried"])
    }

    private func fillPairs(
        _ identity: FoldedIdentity, in transaction: PostgresTransaction
    ) async throws {
        let pairs = RefoldRows(identity.pairs) { entry, buffer in
            let (pair, content) = entry
            buffer.row(
                pair.low, pair.high, content.standing.state.rawValue, content.standing.hold, content.isTied)
        }
        try await transaction.copyIn(copy("refold_pair"), rows: pairs)
        let nevers = RefoldRows(identity.nevers) { pair, buffer in buffer.row(pair.low, pair.high) }
        try await transaction.copyIn(copy("refold_never"), rows: nevers)
        try await transaction.run(all: ["analyze refold_pair", "analyze refold_never"])
    }

    private func fillSignIns(
        _ identity: FoldedIdentity, in transaction: PostgresTransaction
    ) async throws {
        let sightings = RefoldRows(identity.ownerships) { entry, buffer in
            let (weak, ownership) = entry
            for sighting in ownership.sightings {
                let order = sighting.order
                buffer.row(weak, order.occurredAt, order.key, order.source, sighting.owner)
            }
        }
        try await transaction.copyIn(copy("refold_sign_in"), rows: sightings)
        try await transaction.run("analyze refold_sign_in")
    }
}
