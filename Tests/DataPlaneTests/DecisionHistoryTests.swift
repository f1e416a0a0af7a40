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
    @Test("after every few events and decisions, a re-fold finds no difference", arguments: 1...6)
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

    @Test("few values, many ties and many decisions of every kind", arguments: 1...4)
    func dense(seed: Int) async throws {
        var random = SeededGenerator(seed: UInt64(seed) &+ 1000)
        var told: [String: Int] = [:]
        try await TestBrand.with(country: "IN") { brand in
            for round in 0..<25 {
                let now = SystemWallClock().now()
                let events = (0..<Int.random(in: 1...5, using: &random)).map { place in
                    Sent.dense("\(round).\(place)", using: &random).event(receivedAt: now)
                }
                try await brand.write(events)
                try await brand.expectHealthy("seed \(seed), round \(round)")
                guard let request = try await brand.randomRequest(using: &random) else { continue }
                let said = try await brand.carryOut(request)
                told[said, default: 0] += 1
                try await brand.expectHealthy("seed \(seed), round \(round), after \(request): \(said)")
            }
        }
        print("dense \(seed): \(told.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })")
    }
}

extension Sent {
    /// An event with one to four of a dozen values, within 70 days.
    static func dense(_ key: String, using random: inout SeededGenerator) -> Sent {
        var identifiers: [SentIdentifier] = []
        func add(_ kind: IdentifierKind, _ value: String, once times: Int, _ random: inout SeededGenerator) {
            if Int.random(in: 0..<times, using: &random) == 0 {
                identifiers.append(.init(kind: kind, value: value))
            }
        }
        add(.phone, "+91987650000\(Int.random(in: 0..<5, using: &random))", once: 3, &random)
        add(.whatsapp, "+91987650000\(Int.random(in: 0..<5, using: &random))", once: 6, &random)
        add(.email, "e\(Int.random(in: 0..<6, using: &random))@b.com", once: 3, &random)
        add(.loyaltyID, "l\(Int.random(in: 0..<3, using: &random))", once: 4, &random)
        add(.upiID, "u\(Int.random(in: 0..<2, using: &random))@upi", once: 6, &random)
        add(.deviceID, "d\(Int.random(in: 0..<3, using: &random))", once: 2, &random)
        add(.cookieID, "c\(Int.random(in: 0..<2, using: &random))", once: 3, &random)
        if identifiers.isEmpty { identifiers = [.init(kind: .deviceID, value: "d0")] }
        let start = Timestamp(microseconds: 1_760_000_000_000_000)
        var sent = Sent(
            key: key, occurredAt: start + .seconds(3600 * Int.random(in: 0..<24 * 70, using: &random)),
            identifiers: identifiers)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: sent.type = .signOut
        case 1, 2:
            sent.type = .purchase
            sent.order = Order(
                id: "o\(Int.random(in: 0..<6, using: &random))",
                version: Int.random(in: 1...9, using: &random),
                cents: Int.random(in: 1...9999, using: &random))
        default: break
        }
        return sent
    }
}

extension TestBrand {
    /// Decides what somebody intends, as far as what it names is there; says what came of it.
    func carryOut(_ intent: RandomHistory.Intent) async throws -> String {
        guard let request = try await request(intent) else { return "nothing to decide" }
        return try await carryOut(request)
    }

    /// Decides as a preview has said, or is refused as it has said.
    func carryOut(_ request: DecisionRequest) async throws -> String {
        let before = try await stored()
        let preview = try await preview(request)
        let unchanged = try await stored()
        for (table, rows) in unchanged where table != "manual_merge_queue" { #expect(rows == before[table]) }
        do {
            let report = try await decide(request, shown: preview.refusal == nil ? preview.shown : nil)
            #expect(report.before == preview.before && report.after == preview.after, "\(request)")
            return "\(request.kind)"
        } catch let fault as Fault where fault.code == .conflict {
            #expect(preview.refusal?.detail == fault.detail)
            return "\(request.kind) refused"
        }
    }

    func request(_ intent: RandomHistory.Intent) async throws -> DecisionRequest? {
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

    /// A pending row, the same in every brand that has lived through the same.
    private func row(_ place: Int) async throws -> ReviewRowID? {
        try await writerDatabase.transaction { _ = try await ReviewQueue.refresh(in: $0) }
        let rows = try await database.run(
            """
            select id from manual_merge_queue where status = 'pending'
            order by low_ids, high_ids, identifier_id
            """
        ).decode(ReviewRowID.self)
        return rows.isEmpty ? nil : rows[place % rows.count]
    }

    /// Something that may be decided, about whatever is there.
    func randomRequest(using random: inout SeededGenerator) async throws -> DecisionRequest? {
        let identifiers = try await database.run(
            "select id, kind, profile_id, flag from customer_identifier order by id"
        ).decode((IdentifierID, String, ProfileID?, String?).self)
        let isStrong = { (kind: String) in Identifier.Kind(rawValue: kind)?.strength == .strong }
        let strong = identifiers.filter { isStrong($0.1) && $0.2 != nil }
        guard let one = strong.randomElement(using: &random), let profile = one.2,
            let other = strong.filter({ $0.2 != profile }).randomElement(using: &random)?.2
        else { return nil }
        let flagged = identifiers.filter { $0.3 != nil }
        switch Int.random(in: 0..<12, using: &random) {
        case 0: return .merge(profile, other)
        case 1: return .never(profile, other)
        case 2, 3:
            let nevers = try await database.run(
                """
                select l.profile_id, h.profile_id from identity_never n
                join customer_identifier l on l.id = n.low_id join customer_identifier h on h.id = n.high_id
                where l.profile_id <> h.profile_id order by n.low_id, n.high_id
                """
            ).decode((ProfileID, ProfileID).self)
            return nevers.randomElement(using: &random).map { .allow($0, $1) }
        case 4, 5:
            let members = strong.filter { $0.2 == profile }.map(\.0)
            guard members.count > 1 else { return nil }
            let leaving = members.shuffled(using: &random).prefix(
                Int.random(in: 1..<members.count, using: &random))
            return .unmerge(profile, separating: Array(leaving))
        case 6: return .block(identifiers.randomElement(using: &random)!.0)
        case 7: return .share(identifiers.randomElement(using: &random)!.0)
        case 8, 9:
            guard let value = flagged.randomElement(using: &random) else { return nil }
            return value.3 == "blocked" ? .unblock(value.0) : .unshare(value.0)
        case 10: return try await row(Int.random(in: 0..<100, using: &random)).map { .approve($0) }
        default:
            let row = try await row(Int.random(in: 0..<100, using: &random))
            return Bool.random(using: &random) ? row.map { .reject($0) } : row.map { .keepApart($0) }
        }
    }
}
