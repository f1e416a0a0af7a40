import Contract
import Events
import Kernel
import Postgres

/// The table of consent, which belongs to the identifier that it was given for: a merge can neither widen nor
/// lose it.
struct ConsentStore {
    /// What an event says about an identifier that it carries.
    struct Statement {
        let identifier: IdentifierID
        let said: ConsentStatement
        let occurredAt: Timestamp
    }

    /// Enters statements: the newest about an identifier, a channel and a purpose counts, and at one instant
    /// a denial does.
    func enter(_ statements: [Statement], in transaction: PostgresTransaction) async throws {
        guard !statements.isEmpty else { return }
        try await transaction.run(
            """
            insert into consent as c (identifier_id, channel, purpose, granted, occurred_at)
            select distinct on (identifier_id, channel, purpose)
                   identifier_id, channel, purpose, granted, occurred_at
            from unnest(
                \(statements.map(\.identifier)), \(statements.map(\.said.kind.rawValue)),
                \(statements.map(\.said.purpose)), \(statements.map(\.said.isGranted)),
                \(statements.map(\.occurredAt)))
                as said (identifier_id, channel, purpose, granted, occurred_at)
            order by identifier_id, channel, purpose, occurred_at desc, granted
            on conflict (identifier_id, channel, purpose) do update
            set granted = excluded.granted, occurred_at = excluded.occurred_at
            where (excluded.occurred_at, not excluded.granted) > (c.occurred_at, not c.granted)
            """)
    }
}

extension ConsentStore.Statement {
    /// What the events of a batch say about the identifiers that they carry.
    ///
    /// - Parameter ids: of all identifiers that the events carry.
    static func all(
        in events: [PlacedEvent], normaliser: IdentifierNormaliser, ids: [Identifier: IdentifierID]
    ) throws -> [ConsentStore.Statement] {
        var statements: [ConsentStore.Statement] = []
        for placed in events where !placed.event.isTest {
            let bytes = placed.event.properties
            guard ConsentStatement.mayBe(in: bytes) else { continue }
            let properties = try JSONText.checking(bytes)
            for said in try ConsentStatement.all(in: properties, doing: "read the consent of an event") {
                guard let sent = placed.event.identifiers.first(where: { $0.kind == said.kind }),
                    let identifier = normaliser.normalise([sent]).usable.first, let id = ids[identifier]
                else { continue }
                statements.append(.init(identifier: id, said: said, occurredAt: placed.event.occurredAt))
            }
        }
        return statements
    }
}
