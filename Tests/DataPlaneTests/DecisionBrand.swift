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
            database: writerDatabase, projectors: Instance.followers(settings: { settings }),
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

    /// Expects that a re-fold finds no difference, and that the queue asks what the pairs say.
    func expectHealthy(_ comment: Comment? = nil, at location: SourceLocation = #_sourceLocation) async throws {
        for difference in try await refold().differences {
            Issue.record("\(difference) \(comment?.rawValue ?? "")", sourceLocation: location)
        }
    }
}
