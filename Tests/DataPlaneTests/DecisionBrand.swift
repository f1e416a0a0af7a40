import Contract
import Customers
import Foundation
import Kernel
import Postgres
import Testing
import TestSupport

@testable import DataPlane
@testable import Events

/// Decisions in tests: values are told in texts such as `email ann@example.com`, with normalised values.
extension TestBrand {
    var decisions: Decisions {
        let settings = settings
        return Decisions(
            database: writerDatabase, reader: database,
            projectors: Instance.followers(settings: { settings }),
            settings: { settings })
    }

    var author: DecisionAuthor {
        get throws { try DecisionAuthor(actor: "sre@example.com", reason: "they asked") }
    }

    @discardableResult
    func decide(_ request: DecisionRequest, shown: String? = nil) async throws -> DecisionReport {
        try await decisions.decide(request, by: author, shown: shown)
    }

    func preview(_ request: DecisionRequest) async throws -> DecisionReport {
        try await decisions.preview(request, by: author)
    }

    /// The fault with which a decision is refused; nothing may have changed by it.
    func refusal(_ request: DecisionRequest, shown: String? = nil) async throws -> Fault? {
        let before = try await stored()
        do {
            try await decide(request, shown: shown)
            return nil
        } catch let fault as Fault {
            let after = try await stored()
            for (table, rows) in after where table != "manual_merge_queue" { #expect(rows == before[table]) }
            return fault
        }
    }

    /// The id of an identifier.
    func id(_ text: String) async throws -> IdentifierID {
        let parts = text.split(separator: " ", maxSplits: 1).map(String.init)
        let rows = try await database.run(
            "select id from customer_identifier where kind = \(parts[0]) and value = \(parts[1])")
        return try #require(rows.first, "\(text)").decode(IdentifierID.self)
    }

    /// The profile that an identifier is in.
    func profile(of text: String) async throws -> ProfileID? {
        let rows = try await database.run(
            "select profile_id from customer_identifier where id = \(try await id(text))")
        return try rows[0].decode(ProfileID?.self)
    }

    /// The identifiers of each profile of people.
    func people() async throws -> Set<[String]> {
        let rows = try await database.run(
            """
            select array_agg(kind || ' ' || value order by id) from customer_identifier
            where profile_id is not null and kind in ('phone', 'email', 'loyalty_id', 'upi_id')
            group by profile_id
            """)
        return Set(try rows.decode([String].self))
    }

    /// How many orders a profile has and what they are worth, by one of its identifiers.
    func orders(of text: String) async throws -> String {
        let profile = try await profile(of: text)
        let rows = try await database.run(
            """
            select total_orders || ' for ' || trim_scale(lifetime_value) from customer_profile
            where id = \(profile)
            """)
        return try rows.first?.decode(String.self) ?? "none"
    }

    /// What is placed on nobody, and where each other event is placed: `key: kind value`.
    func places() async throws -> [String: String] {
        let rows = try await database.run(
            """
            select event_key, coalesce(kind || ' ' || value, 'nobody') from customer_raw_event r
            left join customer_identifier i on i.id = r.placed_on
            """)
        return Dictionary(uniqueKeysWithValues: try rows.decode((String, String).self))
    }

    /// Expects that a re-fold finds no difference, that the queue asks what the fold asks, and that nothing
    /// is together which must never be.
    func expectHealthy(
        _ comment: String = "", at location: SourceLocation = #_sourceLocation
    ) async throws {
        for difference in try await refold().differences {
            Issue.record("\(difference) \(comment)", sourceLocation: location)
        }
        try await writerDatabase.transaction { _ = try await ReviewQueue.refresh(in: $0) }
        let asked = try await database.run(
            """
            select concat_ws(' ', profile_ids::text, identifier_id, low_ids::text, high_ids::text, events)
            from manual_merge_queue where status = 'pending'
            """)
        let questions = try await fold().questions.map { question in
            let row = question.row
            let profiles = row.profiles.map { "\"\($0)\"" }.joined(separator: ", ")
            let low = row.pairs.map(\.low.description).joined(separator: ",")
            let high = row.pairs.map(\.high.description).joined(separator: ",")
            let identifier = row.identifier.map { "\($0) " } ?? ""
            return "[\(profiles)] \(identifier){\(low)} {\(high)} \(question.events)"
        }
        let stored = Set(try asked.decode(String.self))
        #expect(stored == Set(questions), "\(comment)", sourceLocation: location)
        let broken = try await database.run(
            """
            select low.value || ' and ' || high.value from identity_never n
            join customer_identifier low on low.id = n.low_id
            join customer_identifier high on high.id = n.high_id
            where low.profile_id = high.profile_id
            """)
        #expect(try broken.decode(String.self) == [], "\(comment)", sourceLocation: location)
    }

    /// What the stored events and decisions say, from scratch.
    func fold() async throws -> FoldedIdentity {
        let identifiers = try await database.run("select id, kind, value from customer_identifier")
            .decode((IdentifierID, String, String).self)
        var ids: [Identifier: IdentifierID] = [:]
        for (id, kind, value) in identifiers {
            ids[Identifier(kind: try #require(.init(rawValue: kind)), value: value)] = id
        }
        let normaliser = IdentifierNormaliser(country: settings.country)
        let rows = try await database.run(
            """
            select occurred_at, event_key, source, event_type = 'sign_out', payload -> 'identifiers',
                   coalesce(stands_for, 1)
            from customer_raw_event where not test
            """
        ).decode((Timestamp, String, String, Bool, JSONB, Int).self)
        let events = try rows.map { occurredAt, key, source, isSignOut, sent, standsFor in
            let sent = try sent.decode([String: String].self).map {
                SentIdentifier(kind: try #require(IdentifierKind(rawValue: $0.key)), value: $0.value)
            }
            let result = normaliser.normalise(sent)
            return IdentityEvent(
                order: EventOrder(occurredAt: occurredAt, key: key, source: source), isSignOut: isSignOut,
                carried: try result.usable.map { .init(id: try #require(ids[$0]), kind: $0.kind) },
                hasUnusableStrong: result.hasUnusableStrong, standsFor: standsFor)
        }
        let decisions = try await database.run(
            "select sequence, kind, left_ids, right_ids, by_limit from identity_decision"
        ).decode((Int64, String, [IdentifierID], [IdentifierID], Bool).self).map {
            IdentityDecision(
                sequence: $0, kind: try #require(.init(rawValue: $1)), left: $2, right: $3, isByLimit: $4)
        }
        let kinds = Dictionary(uniqueKeysWithValues: ids.map { ($0.value, $0.key.kind) })
        return IdentityFold.fold(events: events, kinds: kinds, decisions: decisions)
    }
}
