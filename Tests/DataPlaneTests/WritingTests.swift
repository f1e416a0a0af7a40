import Commerce
import Contract
import Customers
import Kernel
import Logging
import Postgres
import ServiceLifecycle
import Testing
import Workflow

@testable import Events

@Suite("From the stream into the tables")
struct WritingTests {
    @Test("an event becomes a raw event, a profile and its identifiers")
    func oneEvent() async throws {
        try await TestBrand.with { brand in
            try await brand.write([.sample("1", .identify, [.email: "Ann@Shop.com", .deviceID: "d1"])])
            let profile = try #require(try await brand.profile(.email, "ann@shop.com"))
            #expect(profile.identifiers == ["email": ["ann@shop.com"]])
            #expect(profile.profileStrength == 30)
            let totals = try await brand.totals
            #expect(totals.events == 1)
            #expect(totals.profiles == 1)
            #expect(try await brand.profile(.deviceID, "d1") == nil)
            #expect(try await brand.stream.length() == 0)
        }
    }

    @Test("a repeated event changes nothing, whatever it says")
    func repeated() async throws {
        try await TestBrand.with { brand in
            let first = try Event.sample(
                "1", .purchase, [.email: "a@b.com"], properties: #"{"orderId":"o1","total":"10.00"}"#)
            let other = try Event.sample(
                "1", .purchase, [.email: "c@d.com"], properties: #"{"orderId":"o2","total":"99.00"}"#)
            try await brand.write([first, other, first])
            try await brand.write([other])
            let totals = try await brand.totals
            #expect(totals.events == 1)
            #expect(totals.orders == 1)
            #expect(totals.revenue["USD"] == "10.00")
            #expect(try await brand.profile(.email, "c@d.com") == nil)
        }
    }

    @Test("a crash between commit and removal changes nothing when the batch is read again")
    func crashAfterCommit() async throws {
        try await TestBrand.with { brand in
            let purchases = try (0..<50).map {
                try Event.sample(
                    "k\($0)", .purchase, [.email: "p\($0 % 10)@b.com"], properties: #"{"total":"1.01"}"#)
            }
            try await brand.events.accept(purchases)
            let point = EventWriter.afterCommit(brand.slug)
            Failpoint.arm(point, .fail)
            await #expect(throws: Failpoint.Injected.self) { try await brand.writer().writeOldest() }
            #expect(Failpoint.disarm(point) == 1)
            #expect(try await brand.stream.length() == 50)
            #expect(try await brand.totals.orders == 50)
            while try await brand.writer().writeOldest() > 0 {}
            let totals = try await brand.totals
            #expect(totals.orders == 50)
            #expect(totals.revenue["USD"] == "50.50")
            #expect(try await brand.stream.length() == 0)
        }
    }

    @Test("a process of another generation is fenced and commits nothing")
    func fenced() async throws {
        try await TestBrand.with { brand in
            try await brand.events.accept([.sample("1", [.email: "a@b.com"])])
            await #expect(throws: Fault.self) { try await brand.writer(generation: 2).writeOldest() }
            #expect(try await brand.totals.events == 0)
            #expect(try await brand.stream.length() == 1)
        }
    }

    @Test("a writer that is asked to leave commits what was acknowledged before it does")
    func leaving() async throws {
        try await TestBrand.with { brand in
            let events = try (0..<2500).map { try Event.sample("k\($0)", [.email: "p\($0 % 100)@b.com"]) }
            try await brand.events.accept(events)
            let (started, start) = AsyncStream.makeStream(of: Void.self)
            let group = ServiceGroup(
                services: [brand.writer(), Telling(start: start)], logger: Logger(label: "test"))
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                // Nobody can commit before the writer is asked to leave.
                try await brand.database.transaction { transaction in
                    try await EventStore().holdLease(generation: 1, in: transaction)
                    tasks.addTask { try await group.run() }
                    for await _ in started {}
                    await group.triggerGracefulShutdown()
                }
                try await tasks.waitForAll()
            }
            #expect(try await brand.stream.length() == 0)
            #expect(try await brand.totals.events == 2500)
        }
    }

    @Test("an entry that cannot be read becomes a dead letter and stops nobody")
    func deadLetter() async throws {
        try await TestBrand.with { brand in
            try await brand.events.accept([.sample("1", [.email: "a@b.com"])])
            _ = try await brand.redis.send("XADD", brand.slug.redisPrefix + "events", "*", "v", "1")
            try await brand.write([.sample("2", [.email: "c@d.com"])])
            #expect(try await brand.totals.events == 2)
            #expect(try await brand.stream.length() == 0)
            #expect(try await brand.stream.deadLetters() == 1)
        }
    }

    @Test("an entry of a newer release waits for that release, and is never a dead letter")
    func newerEntry() async throws {
        try await TestBrand.with { brand in
            _ = try await brand.redis.send("XADD", brand.slug.redisPrefix + "events", "*", "v", "99")
            let fault = await #expect(throws: Fault.self) { try await brand.writer().writeOldest() }
            #expect(fault?.code == .unavailable)
            #expect(try await brand.stream.length() == 1)
            #expect(try await brand.stream.deadLetters() == 0)
        }
    }

    @Test("an event of a test key does not take the key of the same event sent in earnest")
    func testKeyFirst() async throws {
        try await TestBrand.with { brand in
            let properties = #"{"orderId":"o","total":"5"}"#
            try await brand.write([
                .sample("1", .purchase, [.email: "a@b.com"], properties: properties, isTest: true),
                .sample("1", .purchase, [.email: "a@b.com"], properties: properties),
            ])
            #expect(try await brand.totals.orders == 1)
        }
    }

    @Test("an event that PostgreSQL refuses is put aside, and its neighbours are stored")
    func poison() async throws {
        try await TestBrand.with { brand in
            var poison = try Event.sample("bad", [.email: "x@b.com"])
            poison.properties = Array(#"{"a":"\u0000"}"#.utf8)
            let good = try (0..<20).map { try Event.sample("g\($0)", [.email: "g\($0)@b.com"]) }
            try await brand.write(good[..<10] + [poison] + good[10...])
            #expect(try await brand.totals.events == 20)
            #expect(try await brand.stream.deadLetters() == 1)
        }
    }

    @Test("test events are kept and listed, and neither placed nor counted")
    func testEvents() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                .sample("1", .purchase, [.email: "a@b.com"], properties: #"{"total":"5"}"#, isTest: true)
            ])
            let totals = try await brand.totals
            #expect(totals.events == 0 && totals.orders == 0 && totals.profiles == 0)
            let listed = try await EventListStore(database: brand.database).list(
                .init(), behind: nil, limit: 10)
            #expect(listed.count == 1)
            #expect(listed[0].json.contains(#""test" : true"#))
        }
    }

    @Test("beyond the stream's limit, intake says when to come again, and keeps what it has accepted")
    func streamLimit() async throws {
        try await TestBrand.with(streamLimit: 5) { brand in
            try await brand.events.accept((0..<5).map { try Event.sample("\($0)", [.email: "a@b.com"]) })
            let fault = await #expect(throws: Fault.self) {
                try await brand.events.accept([.sample("6", [.email: "a@b.com"])])
            }
            #expect(fault?.code == .unavailable && fault?.retryAfter != nil)
            while try await brand.writer().writeOldest() > 0 {}
            try await brand.write([.sample("6", [.email: "a@b.com"])])
            #expect(try await brand.totals.events == 6)
        }
    }
}

/// Tells that the services before it have begun.
private struct Telling: Service {
    let start: AsyncStream<Void>.Continuation

    func run() async throws {
        start.finish()
        try await gracefulShutdown()
    }
}
