import Contract
import Customers
import Kernel
import Postgres
import TestSupport
import Testing

@testable import Events
@testable import TestHistories

/// Random histories through the writer: in whatever order they arrive and however they are batched, the
/// tables say what the fold of their events and decisions says.
@Suite("Histories through the writer", .serialized)
struct ArrivalHistoryTests {
    @Test("after any order of arrival, with every event several times, the tables are as the fold says")
    func equalToTheFold() async throws {
        for seed in UInt64(1)...12 {
            let history = RandomHistory(seed: seed, sends: 80)
            var random = SeededGenerator(seed: seed)
            try await TestBrand.with(country: "IN") { brand in
                try await deliver(history.sent.shuffled(using: &random), to: brand, using: &random)
                try await compare(brand, seed: seed)
            }
        }
    }

    @Test("two writers that take turns, and one that is fenced, write what one would")
    func sideBySide() async throws {
        let history = RandomHistory(seed: 77, sends: 1000)
        try await TestBrand.with(country: "IN") { brand in
            let now = SystemWallClock().now()
            try await brand.events.accept(history.sent.map { $0.event(receivedAt: now) })
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for generation in [Int64(1), 1, 0] {
                    group.addTask {
                        let writer = brand.writer(generation: generation)
                        do {
                            while try await writer.writeOldest(40) > 0 {}
                            return false
                        } catch let fault as Fault where fault.code == .conflict {
                            return true
                        }
                    }
                }
                var fenced = 0
                for try await isFenced in group where isFenced { fenced += 1 }
                #expect(fenced == 1)
            }
            try await compare(brand, seed: 77)
        }
    }

    /// Sends every event one to three times, in batches of random sizes.
    private func deliver(
        _ sent: [Sent], to brand: TestBrand, using random: inout SeededGenerator
    ) async throws {
        var waiting = sent
        for event in sent {
            for _ in 1..<Int.random(in: 1...3, using: &random) {
                waiting.insert(event, at: Int.random(in: 0...waiting.count, using: &random))
            }
        }
        var now = SystemWallClock().now()
        while !waiting.isEmpty {
            let batch = waiting.prefix(Int.random(in: 1...25, using: &random))
            waiting.removeFirst(batch.count)
            now = now + .milliseconds(1)
            try await brand.write(batch.map { $0.event(receivedAt: now) })
        }
    }

    private func compare(_ brand: TestBrand, seed: UInt64) async throws {
        let database = brand.database
        let identifiers = try await database.run(
            "select id, kind, value, profile_id, flag from customer_identifier"
        )
        .decode((IdentifierID, String, String, ProfileID?, String?).self)
        var ids: [Identifier: IdentifierID] = [:]
        var kinds: [IdentifierID: Identifier.Kind] = [:]
        for (id, kind, value, _, _) in identifiers {
            let kind = try #require(Identifier.Kind(rawValue: kind))
            ids[Identifier(kind: kind, value: value)] = id
            kinds[id] = kind
        }
        let names = Dictionary(uniqueKeysWithValues: ids.map { ($0.value, "\($0.key.kind) \($0.key.value)") })
        let normaliser = IdentifierNormaliser(country: "IN")
        let rows = try await database.run(
            """
            select occurred_at, event_key, source, event_type, payload -> 'identifiers', placed_on,
                   customer_profile_id
            from customer_raw_event
            """
        ).decode((Timestamp, String, String, String, JSONB, IdentifierID?, ProfileID?).self)
        let events = try rows.map { row in
            let sent = try row.4.decode([String: String].self).map {
                SentIdentifier(kind: try #require(IdentifierKind(rawValue: $0.key)), value: $0.value)
            }
            let result = normaliser.normalise(sent)
            return IdentityEvent(
                order: EventOrder(occurredAt: row.0, key: row.1, source: row.2),
                isSignOut: row.3 == "sign_out",
                carried: try result.usable.map { .init(id: try #require(ids[$0]), kind: $0.kind) },
                hasUnusableStrong: result.hasUnusableStrong)
        }
        let decisions = try await database.run(
            "select sequence, kind, left_ids, right_ids, by_limit from identity_decision order by sequence"
        ).decode((Int64, String, [IdentifierID], [IdentifierID], Bool).self).map {
            IdentityDecision(
                sequence: $0, kind: try #require(.init(rawValue: $1)), left: $2, right: $3, isByLimit: $4)
        }
        let fold = IdentityFold.fold(events: events, kinds: kinds, decisions: decisions)
        for (id, _, _, profile, flag) in identifiers {
            #expect(profile == fold.profileOf[id], "seed \(seed): \(names[id] ?? "")")
            #expect(flag == fold.flags[id]?.rawValue, "seed \(seed): \(names[id] ?? "")")
        }
        for (row, place) in zip(rows, fold.placements) {
            #expect(row.5 == place, "seed \(seed): event \(row.1)")
            #expect(row.6 == place.flatMap { fold.profileOf[$0] }, "seed \(seed): event \(row.1)")
        }
        let pairs = try await database.run("select low_id, high_id, state, hold, tied from identity_pair")
            .decode((IdentifierID, IdentifierID, String, Int64?, Bool).self)
        #expect(pairs.count == fold.pairs.count, "seed \(seed)")
        for (low, high, state, hold, tied) in pairs {
            let said = fold.pairs[IdentifierPair(low, high)]
            #expect(state == said?.standing.state.rawValue, "seed \(seed)")
            #expect(hold == said?.standing.hold, "seed \(seed)")
            #expect(tied == said?.isTied, "seed \(seed)")
        }
        let profiles = try await database.run(
            """
            select id, total_orders, lifetime_value::text,
                   (select count(*) from customer_order o where o.profile_id = p.id),
                   (select coalesce(sum(total), 0)::text from customer_order o where o.profile_id = p.id)
            from customer_profile p
            """
        ).decode((ProfileID, Int64, String, Int64, String).self)
        print(
            "history \(seed): \(rows.count) events, \(fold.profileOf.count) identifiers,",
            "\(profiles.count) profiles, \(decisions.count) decisions,",
            "held \(pairs.count { $0.2 == "held" }),",
            "anonymous \(fold.placements.count { $0.map { kinds[$0]?.strength == .weak } ?? false })")
        #expect(Set(profiles.map(\.0)) == Set(fold.profileOf.values), "seed \(seed)")
        #expect(try await brand.totals.profiles == Int64(profiles.count), "seed \(seed)")
        for (_, orders, value, counted, summed) in profiles {
            #expect(orders == counted && Money(value) == Money(summed), "seed \(seed)")
        }
    }
}
