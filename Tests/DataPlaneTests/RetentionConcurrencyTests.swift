import Contract
import Kernel
import Postgres
import TestSupport
import Testing

@testable import DataPlane
@testable import Events
@testable import TestHistories

@Suite("Retention beside a brand that goes on", .serialized)
struct RetentionConcurrencyTests {
    @Test("an event of the month that is committed meanwhile keeps its checkpoint from being taken")
    func lateCommit() async throws {
        try await TestBrand.with { brand in
            let cutoff = try await brand.monthEnd
            try await brand.write([.sample("1", [.email: "a@b.com"])])
            let month = try #require(try await brand.monthsToFold(receivedBefore: cutoff).first)
            let made = try await brand.make(month.0, month.1)
            try await brand.write([.sample("2", [.email: "a@b.com"])])
            #expect(try await !brand.adopt(made))
            #expect(try await brand.adopt(brand.make(month.0, month.1)))
            #expect(try await brand.totals.events == 2)
            #expect(try await brand.refold().differences == [])
            // What comes later still is taken in all the same, and behind the checkpoint.
            try await brand.write([.sample("3", [.email: "a@b.com", .phone: "+12025550123"])])
            #expect(try await brand.monthsToFold(receivedBefore: cutoff).isEmpty)
            #expect(try await brand.refold().differences == [])
        }
    }

    @Test("a run that was cut short leaves nothing that the next one minds")
    func interrupted() async throws {
        try await TestBrand.with { brand in
            let cutoff = try await brand.monthEnd
            try await brand.write(
                try (0..<9).map { try .sample("\($0)", [.email: "a@b.com", .phone: "+12025550123"]) })
            let month = try #require(try await brand.monthsToFold(receivedBefore: cutoff).first)
            _ = try await brand.make(month.0, month.1)
            #expect(try await brand.fold(receivedBefore: cutoff) == 1)
            _ = try await brand.database.run("update fold_checkpoint set swept_before = '-infinity'")
            _ = try await brand.make(month.1, month.1 + .seconds(86_400))
            #expect(try await brand.fold(receivedBefore: cutoff) == 0)
            let gone = try await brand.database.run(
                "select to_regclass('customer_raw_event_checkpoint_next') is null")
            #expect(try gone[0].decode(Bool.self))
            #expect(try await brand.refold().differences == [])
        }
    }

    @Test("it waits for the writer, and for a re-fold that reads, but not for long")
    func locks() async throws {
        try await TestBrand.with { brand in
            let cutoff = try await brand.monthEnd
            try await brand.write([.sample("1", [.email: "a@b.com"])])
            let month = try #require(try await brand.monthsToFold(receivedBefore: cutoff).first)
            let made = try await brand.make(month.0, month.1)
            try await brand.database.transaction(.repeatableRead) { reading in
                try await Refold(settings: brand.settings).keepMonths(in: reading)
                let error = await #expect(throws: PostgresError.self) { _ = try await brand.adopt(made) }
                #expect(error?.sqlState == "55P03")
                #expect(try await Refold(settings: brand.settings).plan(in: reading).differences == [])
            }
            let writer = brand.writerDatabase
            try await writer.transaction { _ in
                let error = await #expect(throws: PostgresError.self) {
                    try await brand.database.transaction { transaction in
                        try await transaction.run("set local lock_timeout = '100ms'")
                        _ = try await transaction.run(
                            "select adopt_checkpoint(\(made.starts), \(made.ends), \(made.counted))")
                    }
                }
                #expect(error?.sqlState == "55P03")
            }
            await writer.close()
            #expect(try await brand.adopt(made))
        }
    }

    @Test("events that are written, listed and folded at the same time are all there, once")
    func atOnce() async throws {
        let history = RandomHistory(seed: 5, sends: 600)
        try await TestBrand.with(country: "IN") { brand in
            let old = SystemWallClock().now() - .seconds(100 * 86_400)
            let parts = stride(from: 0, to: history.sent.count, by: 20).map {
                Array(history.sent[$0..<min($0 + 20, history.sent.count)])
            }
            let half = parts.count / 2
            for part in parts[..<half] { try await brand.write(part.map { $0.event(receivedAt: old) }) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for part in parts[half...] {
                        let now = SystemWallClock().now()
                        try await brand.write(part.map { $0.event(receivedAt: now) })
                    }
                }
                group.addTask {
                    for days in 30..<90 {
                        let cutoff = SystemWallClock().now() - .seconds((120 - days) * 86_400)
                        try await brand.fold(receivedBefore: cutoff)
                        let list = EventListStore(database: brand.database)
                        _ = try await list.list(.init(), behind: nil, limit: 9)
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await brand.totals.events == Int64(history.sent.count))
            let folded = try await brand.database.run(
                "select count(*) from customer_raw_event where stands_for > 0")
            #expect(try folded[0].decode(Int64.self) > 0)
            try await brand.expectHealthy()
        }
    }
}
