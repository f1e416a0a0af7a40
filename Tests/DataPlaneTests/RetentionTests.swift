import Contract
import Customers
import Foundation
import Kernel
import Postgres
import TestSupport
import Testing

@testable import DataPlane
@testable import Events
@testable import TestHistories

/// What goes behind a checkpoint is missed by nothing that comes after it: late events, decisions, new
/// versions of old orders, a changed country.
@Suite("Retention", .serialized)
struct RetentionTests {
    /// In `infra/test.sh --soak`.
    private static let isSoak = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_SOAK"] != nil

    private static func seeds(_ count: Int) -> ClosedRange<Int> { 1...(isSoak ? count * 4 : count) }

    @Test(
        "a brand that folds old months now and then is as one that keeps everything",
        arguments: RetentionTests.seeds(2))
    func random(seed: Int) async throws {
        try await TwoBrands.with(seed: UInt64(seed)) { brands in
            try await brands.live(through: RandomHistory(seed: UInt64(seed), sends: 80))
            #expect(try await brands.differences() == [])
            try await brands.folded.expectHealthy("seed \(seed)")
            #expect(brands.months > 0)
            print("retention \(seed): \(brands.months) months folded")
        }
    }

    @Test(
        "also with few values, many ties and many decisions of every kind",
        arguments: RetentionTests.seeds(3))
    func dense(seed: Int) async throws {
        try await TwoBrands.with(seed: UInt64(seed)) { brands in
            try await brands.liveDensely(rounds: 24)
            #expect(try await brands.differences() == [])
            try await brands.folded.expectHealthy("seed \(seed)")
            print("dense retention \(seed): \(brands.months) months folded")
        }
    }

    @Test(
        "also when its country changes afterwards, and numbers mean something else",
        arguments: RetentionTests.seeds(1))
    func country(seed: Int) async throws {
        try await TwoBrands.with(seed: UInt64(seed), country: "US") { brands in
            try await brands.live(through: RandomHistory(seed: UInt64(seed), sends: 80))
            #expect(try await brands.differencesAfterMoving() == [])
            #expect(brands.months > 0)
        }
    }

    @Test(
        "whatever a checkpoint forgets is found out",
        .enabled(if: RetentionTests.isSoak), arguments: Omission.all)
    func omissions(omission: Omission) async throws {
        var seed: UInt64 = 0
        var found: [String] = []
        while found.isEmpty, seed < 24 {
            seed += 1
            await withKnownIssue(isIntermittent: true) {
                found = try await TwoBrands.differences(seed: seed, without: omission)
            }
        }
        #expect(!found.isEmpty)
        print("without \(omission.testDescription), seed \(seed): \(found.first?.prefix(160) ?? "nothing")")
    }

    /// While its phone is blocked, an event with five identifiers comes three times. When the phone is back,
    /// the second of them may join what the first could not, and so keeps the e-mail of a later event out.
    @Test("an event with many identifiers is checked again each time that it came")
    func crowds() async throws {
        var people: [Set<[String]>] = []
        for omission in [nil, nil, Omission.crowds] {
            try await TestBrand.with { brand in
                if let omission { try await brand.forget(omission) }
                try await brand.liveInCrowds()
                if people.count > 0 { try await brand.fold(receivedBefore: brand.monthEnd) }
                try await brand.decide(.unblock(brand.id("phone +12025550101")))
                people.append(try await brand.people())
                #expect(try await brand.refold().differences == [])
            }
        }
        #expect(people[0].contains { $0.count == 7 })
        #expect(people[1] == people[0])
        #expect(people[2] != people[0])
    }

    @Test("every column of events is one that a checkpoint knows of")
    func columns() async throws {
        try await TestBrand.with { brand in
            let columns = try await brand.database.run(
                """
                select column_name::text from information_schema.columns
                where table_schema = current_schema() and table_name = 'customer_raw_event'
                order by ordinal_position
                """)
            #expect(
                try columns.decode(String.self) == [
                    "id", "created_at", "event_type", "occurred_at", "channel", "source", "event_key",
                    "payload", "test", "placed_on", "customer_profile_id", "stands_for",
                    "position",
                ], "add a new column to checkpoint_of, and to what alike means where it plays a part")
        }
    }

    @Test("lists get shorter and figures stay; what came twice still counts once; test events go")
    func lists() async throws {
        try await TestBrand.with { brand in
            try await brand.fillForRefold()
            let (before, stored) = (try await brand.totals, try await brand.stored())
            let list = EventListStore(database: brand.database)
            let first = try #require(try await list.list(.init(), behind: nil, limit: 100).first)
            #expect(try await brand.fold(receivedBefore: brand.monthEnd) == 1)
            #expect(try await list.list(.init(), behind: nil, limit: 100).isEmpty)
            #expect(try await list.show(EventID(first.cursor.id)) == nil)
            let after = try await brand.totals
            #expect((after.events, after.profiles) == (before.events, before.profiles))
            #expect((after.orders, after.revenue) == (before.orders, before.revenue))
            let rows = try await brand.database.run(
                "select count(*), sum(stands_for)::bigint, bool_or(test) from customer_raw_event"
            )[0].decode((Int64, Int64, Bool).self)
            #expect(rows == (15, 15, false), "few events, none alike")
            try await brand.write([.sample("1", [.email: "other@shop.com"])])
            for (table, rows) in try await brand.stored()
            where !["customer_raw_event", "identifier_event"].contains(table) {
                #expect(rows == stored[table], "\(table)")
            }
            #expect(try await brand.refold().differences == [])
        }
    }

    @Test("of a thousand events that are alike three stay at most, and a question still counts them all")
    func alike() async throws {
        try await TestBrand.with { brand in
            var events: [Event] = []
            for number in 1...4 {
                events.append(try .sample("e\(number)", [.email: "e\(number)@b.com", .phone: "+12025550199"]))
            }
            for number in 0..<996 {
                events.append(
                    try .sample(
                        "r\(number)", .pageView, [.email: "e4@b.com", .phone: "+12025550199"],
                        properties: #"{"page": "/shoes"}"#,
                        occurredAt: "2026-01-31T11:\(10 + number % 50):00Z"))
            }
            for start in stride(from: 0, to: 1000, by: 200) {
                try await brand.write(Array(events[start..<start + 200]))
            }
            try await brand.fold(receivedBefore: brand.monthEnd)
            let rows = try await brand.database.run(
                "select count(*), sum(stands_for)::bigint from customer_raw_event"
            )[0].decode((Int64, Int64).self)
            #expect(rows.0 <= 6 && rows.1 == 1000)
            let carried = try await brand.database.run("select from identifier_event").count
            #expect(carried == rows.0)
            try await brand.expectHealthy()
            let asked = try await brand.database.run("select events from manual_merge_queue")
            #expect(try asked.decode(Int64.self) == [997])
        }
    }
}
