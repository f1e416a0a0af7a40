import Contract
import Customers
import Kernel
import Postgres
import TestSupport
import Testing

@testable import Events
@testable import TestHistories

/// Random histories of events and decisions, carried out one after the other: whatever people decide and
/// whenever, a re-fold of the whole brand finds nothing else than what is stored.
@Suite("Histories with decisions", .serialized)
struct DecisionHistoryTests {
    @Test("after every few events and decisions, a re-fold finds no difference", arguments: 1...12)
    func equalToTheFold(seed: Int) async throws {
        let history = RandomHistory(seed: UInt64(seed), sends: 80)
        var random = SeededGenerator(seed: UInt64(seed))
        try await TestBrand.with(country: "IN") { brand in
            var waiting: [Sent] = []
            var told: [String: Int] = [:]
            var now = SystemWallClock().now()
            for step in history.steps {
                switch step {
                case .send(let sent):
                    waiting.append(sent)
                    guard Int.random(in: 0..<8, using: &random) == 0 else { continue }
                case .decide(let intent):
                    now = now + .milliseconds(1)
                    try await brand.write(waiting.shuffled(using: &random).map { $0.event(receivedAt: now) })
                    waiting = []
                    let said = try await brand.carryOut(intent)
                    told[said, default: 0] += 1
                    try await brand.expectHealthy("seed \(seed), after \(intent): \(said)")
                }
                now = now + .milliseconds(1)
                try await brand.write(waiting.shuffled(using: &random).map { $0.event(receivedAt: now) })
                waiting = []
            }
            now = now + .milliseconds(1)
            try await brand.write(waiting.map { $0.event(receivedAt: now) })
            try await brand.expectHealthy("seed \(seed), at the end")
            print("history \(seed): \(told.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })")
        }
    }
}

extension TestBrand {
    /// Decides what somebody intends, as far as what it names is there; says what came of it.
    func carryOut(_ intent: RandomHistory.Intent) async throws -> String {
        guard let request = try await request(intent) else { return "nothing to decide" }
        let before = try await stored()
        let preview = try await preview(request)
        let unchanged = try await stored()
        for (table, rows) in unchanged where table != "manual_merge_queue" { #expect(rows == before[table]) }
        do {
            let report = try await decide(request, shown: preview.shown)
            #expect(report.before == preview.before && report.after == preview.after, "\(request)")
            return "\(request.kind)"
        } catch let fault as Fault where fault.code == .conflict {
            #expect(preview.refusal?.detail == fault.detail)
            return "\(request.kind) refused"
        }
    }

    private func request(_ intent: RandomHistory.Intent) async throws -> DecisionRequest? {
        switch intent {
        case .block(let value): return try await known([value]).first.map { .block($0.id) }
        case .unblock(let value): return try await known([value]).first.map { .unblock($0.id) }
        case .share(let value): return try await known([value]).first.map { .share($0.id) }
        case .unshare(let value): return try await known([value]).first.map { .unshare($0.id) }
        case .merge(let one, let other): return try await between([one], [other]) { .merge($0, $1) }
        case .never(let left, let right): return try await between(left, right) { .never($0, $1) }
        case .allow(let left, let right): return try await between(left, right) { .allow($0, $1) }
        case .unmerge(let leaving, let rest):
            guard let profile = try await known(rest).compactMap(\.profile).first else { return nil }
            let ids = try await known(leaving).filter { $0.profile == profile }.map(\.id)
            let members = try await database.run(
                "select count(*) from customer_identifier where profile_id = \(profile)")
            guard !ids.isEmpty, try members[0].decode(Int.self) > ids.count else { return nil }
            return .unmerge(profile, separating: ids)
        case .approve(let place): return try await row(place).map { .approve($0) }
        case .reject(let place): return try await row(place).map { .reject($0) }
        }
    }

    private func between(
        _ left: [Identifier], _ right: [Identifier],
        _ request: (ProfileID, ProfileID) -> DecisionRequest
    ) async throws -> DecisionRequest? {
        guard let one = try await known(left).compactMap(\.profile).first,
            let other = try await known(right).compactMap(\.profile).first(where: { $0 != one })
        else { return nil }
        return request(one, other)
    }

    private func known(
        _ identifiers: [Identifier]
    ) async throws -> [(id: IdentifierID, profile: ProfileID?)] {
        try await database.run(
            """
            select id, profile_id from customer_identifier
            join unnest(\(identifiers.map(\.kind.rawValue)), \(identifiers.map(\.value)))
                with ordinality as asked (kind, value, place) using (kind, value)
            order by place
            """
        ).decode((IdentifierID, ProfileID?).self).map { (id: $0, profile: $1) }
    }

    private func row(_ place: Int) async throws -> ReviewRowID? {
        let rows = try await ReviewQueue(database: writerDatabase).list(behind: nil, limit: 100)
        return rows.isEmpty ? nil : ReviewRowID(rows[place % rows.count].cursor.id)
    }
}
