import Contract
import Customers
import Kernel
import Logging
import Postgres
import TestSupport
import Testing

@testable import DataPlane
@testable import Events
@testable import TestHistories

@Suite("Re-folding a brand")
struct RefoldTests {
    @Test(
        "what came in is what a re-fold makes of it, in any order and batches, with every event several times"
    )
    func healthy() async throws {
        var events: Int64 = 0
        for seed in UInt64(100)..<112 {
            let history = RandomHistory(seed: seed, sends: 80)
            var random = SeededGenerator(seed: seed)
            try await TestBrand.with(country: "IN") { brand in
                var waiting = history.sent.shuffled(using: &random)
                for event in history.sent {
                    for _ in 1..<Int.random(in: 1...3, using: &random) {
                        waiting.insert(event, at: Int.random(in: 0...waiting.count, using: &random))
                    }
                }
                while !waiting.isEmpty {
                    let batch = waiting.prefix(Int.random(in: 1...25, using: &random))
                    waiting.removeFirst(batch.count)
                    let now = SystemWallClock().now()
                    try await brand.write(batch.map { $0.event(receivedAt: now) })
                }
                let report = try await brand.refold()
                #expect(report.differences == [], "seed \(seed)")
                #expect(report.events == Int64(history.sent.count))
                events += report.events
            }
        }
        print("refold: \(events) events of 12 histories without a difference")
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
            #expect(try await brand.refold().differences == [])
        }
    }

    @Test("whatever is tampered with is found by a plan, which changes nothing, and put right by an apply")
    func tampered() async throws {
        try await TestBrand.with { brand in
            try await brand.fillForRefold()
            #expect(try await brand.refold().differences == [])
            let healthy = try await brand.stored()
            for tampering in Tampering.all {
                let change = try await brand.database.run(SQL(raw: tampering.sql))
                #expect(change.affected > 0, "it changes something: \(tampering.sql)")
                let tampered = try await brand.stored()
                #expect(tampered != healthy, "\(tampering.sql)")
                let plan = try await brand.refold()
                #expect(plan.differences.map(\.kind) == tampering.kinds, "\(tampering.sql)")
                for difference in plan.differences {
                    #expect(difference.count >= 1 && !difference.samples.isEmpty)
                    #expect(difference.samples.count <= RefoldReport.maximumSamples)
                }
                let text = plan.differences.flatMap(\.samples).joined(separator: "\n")
                #expect(text.contains(tampering.words), "\(tampering.sql): \(text)")
                #expect(try await brand.stored() == tampered, "a plan changes nothing: \(tampering.sql)")
                let applied = try await brand.refold(isApplied: true)
                #expect(applied.applied && applied.differences == plan.differences, "\(tampering.sql)")
                #expect(try await brand.stored() == healthy, "\(tampering.sql)")
            }
            #expect(try await brand.refold().differences == [])
        }
    }

    @Test("an identifier that was taken away comes back under a new id, with all that was placed on it")
    func lostIdentifier() async throws {
        try await TestBrand.with { brand in
            try await brand.fillForRefold()
            try await brand.database.run("delete from customer_identifier where value = 'ann@shop.com'")
            let plan = try await brand.refold()
            #expect(plan.differences.first?.kind == "identifier")
            #expect(
                plan.differences.first?.samples
                    == ["email ann@shop.com is carried by an event and is not in the table"])
            _ = try await brand.refold(isApplied: true)
            #expect(try await brand.refold().differences == [])
            let ann = try #require(try await brand.profile(.email, "ann@shop.com"))
            #expect(ann.lifetimeValue == "20.00" && ann.totalOrders == 1)
            #expect(try await brand.profile(.phone, "+12025550123")?.id == ann.id)
        }
    }

    @Test("a changed country reads the numbers of all events anew")
    func country() async throws {
        try await TestBrand.with(country: "US") { brand in
            let number = "098765 43210"
            try await brand.write([
                .sample("1", .purchase, [.phone: number, .deviceID: "d"], properties: #"{"total": "5"}"#),
                .sample("2", [.whatsapp: "+91 98765 43210"]),
                .sample("3", .pageView, [.deviceID: "d"], occurredAt: "2026-01-31T11:00:00Z"),
            ])
            #expect(try await brand.profile(.phone, "+919876543210")?.totalOrders == 0)
            #expect(try await brand.refold(country: "US").differences == [])
            let plan = try await brand.refold(country: "IN")
            #expect(plan.differences.contains { $0.kind == "placement" })
            _ = try await brand.refold(country: "IN", isApplied: true)
            #expect(try await brand.refold(country: "IN").differences == [])
            let person = try #require(try await brand.profile(.phone, "+919876543210"))
            #expect(person.totalOrders == 1 && person.lifetimeValue == "5.00")
            let placed = try await brand.database.run(
                "select distinct customer_profile_id from customer_raw_event")
            #expect(try placed.decode(ProfileID.self) == [person.id])
        }
    }

    @Test("a newest decision that the tables have not followed is followed")
    func decision() async throws {
        try await TestBrand.with { brand in
            try await brand.fillForRefold()
            try await brand.database.run(
                """
                insert into identity_decision (kind, left_ids, by_limit, actor, reason)
                select 'block', array[id], false, 'test', 'test' from customer_identifier
                where value = '+12025550123'
                """)
            let plan = try await brand.refold(isApplied: true)
            #expect(plan.differences.map(\.kind).contains("flag"))
            #expect(try await brand.refold().differences == [])
            #expect(try await brand.profile(.phone, "+12025550123") == nil)
            let ann = try #require(try await brand.profile(.email, "ann@shop.com"))
            #expect(ann.identifiers == ["email": ["ann@shop.com"]])
        }
    }

    @Test("the queue follows an apply")
    func queue() async throws {
        try await TestBrand.with { brand in
            try await brand.fillForRefold()
            let healthy = try await brand.stored()["manual_merge_queue"]
            #expect(healthy?.count == 1)
            try await brand.database.run("update identity_pair set state = 'out', hold = null")
            let writer = brand.writerDatabase
            try await writer.transaction { _ = try await ReviewQueue.refresh(in: $0) }
            await writer.close()
            #expect(try await brand.pending() == 0)
            _ = try await brand.refold(isApplied: true)
            #expect(try await brand.pending() == 1)
        }
    }

    @Test("at most twenty differences of a kind are put into words, and all are counted")
    func samples() async throws {
        try await TestBrand.with { brand in
            try await brand.write(try (0..<30).map { try Event.sample("\($0)", [.email: "p\($0)@b.com"]) })
            try await brand.database.run("update customer_raw_event set placed_on = null")
            let plan = try await brand.refold()
            #expect(plan.differences.map(\.count) == [30])
            #expect(plan.differences.first?.samples.count == RefoldReport.maximumSamples)
        }
    }

    @Test("a plan lets events be committed, and an apply keeps them waiting until it has ended")
    func commits() async throws {
        try await TestBrand.with { brand in
            try await brand.write([.sample("1", [.email: "a@b.com"])])
            try await brand.database.transaction(.repeatableRead) { transaction in
                _ = try await Refold(settings: brand.settings).plan(in: transaction)
                try await brand.write([.sample("2", [.email: "a@b.com"])])
            }
            #expect(try await brand.totals.events == 2)
            let (started, starting) = AsyncStream.makeStream(of: Void.self)
            let database = brand.writerDatabase
            try await database.transaction { transaction in
                _ = try await Refold(settings: brand.settings).apply(in: transaction)
                async let written: Void = {
                    try await brand.events.accept([.sample("3", [.email: "a@b.com"])])
                    starting.finish()
                }()
                for await _ in started {}
                try await written
                #expect(try await brand.stream.length() == 1)
                #expect(try await brand.totals.events == 2)
            }
            await database.close()
            try await brand.write([])
            #expect(try await brand.totals.events == 3)
            #expect(try await brand.refold().differences == [])
        }
    }

    @Test("a plan cannot change anything even if it wanted to")
    func readOnly() async throws {
        try await TestBrand.with { brand in
            try await brand.write([.sample("1", [.email: "a@b.com"])])
            await #expect(throws: PostgresError.self) {
                try await brand.database.transaction(.repeatableRead) { transaction in
                    _ = try await Refold(settings: brand.settings).plan(in: transaction)
                    try await transaction.run("delete from customer_profile")
                }
            }
        }
    }
}
