import Contract
import Kernel
import Postgres
import Testing
import Workflow

@testable import DataPlane
@testable import Events

/// Events that cannot be stored are put aside, are looked at, and are stored after all or forgotten.
@Suite("Dead letters", .serialized)
struct DeadLetterTests {
    @Test("a defect that made a thousand of them is mended, and all are stored, each once")
    func thousand() async throws {
        try await TestBrand.with { brand in
            try await brand.database.run(
                "alter table customer_raw_event add constraint defect check (event_type <> 'search')")
            let bad = try (0..<1000).map { try Event.sample("b\($0)", .search, [.email: "b\($0)@b.com"]) }
            let good = try (0..<20).map { try Event.sample("g\($0)", [.email: "g\($0)@b.com"]) }
            try await brand.write(bad[..<500] + good + bad[500...])
            #expect(try await brand.totals.events == 20)
            #expect(try await brand.stream.deadLetters() == 1000)
            let reason = try #require(try await brand.letters.list(after: nil, limit: 1).first).reason
            #expect(reason.hasPrefix("23514: new row") && reason.contains("defect"), "\(reason)")
            // While it is not mended, each is tried once more and comes back.
            var some = DeadLetters.Selection()
            some.atMost = 40
            #expect(try await brand.letters.replay(some).count == 40)
            try await brand.write([])
            #expect(try await brand.stream.deadLetters() == 1000)
            try await brand.database.run("alter table customer_raw_event drop constraint defect")
            #expect(try await brand.letters.replay(DeadLetters.Selection()).count == 1000)
            try await brand.write([])
            #expect(try await brand.stream.deadLetters() == 0)
            #expect(try await brand.totals.events == 1020)
            // Whoever sends them again, because nobody answered, changes nothing.
            try await brand.write(bad)
            #expect(try await brand.totals.events == 1020)
            #expect(try await brand.refold().differences == [])
        }
    }

    @Test("who dies after putting a letter back and before it is gone from here has it stored once")
    func death() async throws {
        try await TestBrand.with { brand in
            try await brand.refuse(.search, ["1"])
            let point = DeadLetters.afterAppend(brand.slug)
            Failpoint.arm(point, .fail)
            await #expect(throws: Failpoint.Injected.self) {
                try await brand.letters.replay(DeadLetters.Selection())
            }
            try await brand.write([])
            #expect(try await brand.stream.deadLetters() == 1)
            #expect(try await brand.letters.replay(DeadLetters.Selection()).count == 1)
            try await brand.write([])
            #expect(try await brand.stream.deadLetters() == 0)
            #expect(try await brand.totals.events == 1)
        }
    }

    @Test("one is stored as it should have been sent, under its own id, and nothing else is taken for that")
    func correction() async throws {
        try await TestBrand.with { brand in
            var poison = try Event.sample("bad", .search, [.email: "x@b.com"])
            poison.properties = Array(#"{"query":"\u0000"}"#.utf8)
            poison.receivedAt = Timestamp(year: 2026, month: 2, day: 1)!
            try await brand.write([poison])
            let letter = try #require(try await brand.letters.list(after: nil, limit: 10).first)
            #expect(letter.reason.contains("null character"), "\(letter.reason)")
            #expect(letter.event?.key == "bad")
            #expect(letter.json(whole: true).contains(#""properties":{"query":"\u0000"}"#))
            #expect(!letter.json(whole: false).contains("query"))
            for (text, field) in [
                (#"{"type":"search","identifiers":{}}"#, "identifiers"),
                (#"{"type":"serach","identifiers":{"email":"x@b.com"}}"#, "type"),
                (#"{"type":"search","eventId":"good","identifiers":{"email":"x@b.com"}}"#, "eventId"),
            ] {
                let fault = #expect(throws: Fault.self) {
                    try brand.letters.corrected(letter, by: JSONText.checking(Array(text.utf8)))
                }
                #expect(fault?.code == .invalid && fault?.field == field, "\(text)")
            }
            let right = #"{"type":"search","identifiers":{"email":"x@b.com"},"properties":{"query":"shoes"}}"#
            let event = try brand.letters.corrected(letter, by: JSONText.checking(Array(right.utf8)))
            #expect((event.key, event.source) == (poison.key, poison.source))
            try await brand.letters.replay(letter, as: event)
            try await brand.write([poison])
            let isNew = try await brand.database.run(
                "select created_at > now() - interval '1 hour' from customer_raw_event"
            )[0].decode(Bool.self)
            #expect(isNew, "it is received now, and comes into no month that is closed")
            #expect(try await brand.totals.events == 1)
            #expect(try await brand.stream.deadLetters() == 0, "what comes again is known")
        }
    }

    @Test("one that cannot be read is shown by its fields, and goes only by being discarded")
    func unreadable() async throws {
        try await TestBrand.with { brand in
            let key = brand.slug.redisPrefix + "events"
            _ = try await brand.redis.send("XADD", key, "*", "v", "1", "key", "k", "type", "dance")
            try await brand.write([])
            let letter = try #require(try await brand.letters.list(after: nil, limit: 1).first)
            #expect(letter.event == nil && letter.reason.contains("'type'"))
            #expect(letter.json(whole: true).contains(#""fields":{"v":"1","key":"k","type":"dance"}"#))
            let event = Array(#"{"type":"search","identifiers":{"email":"x@b.com"}}"#.utf8)
            let fault = #expect(throws: Fault.self) {
                try brand.letters.corrected(letter, by: JSONText.checking(event))
            }
            #expect(fault?.code == .conflict)
            try await brand.letters.replay(letter)
            try await brand.write([])
            let again = try #require(try await brand.letters.list(after: nil, limit: 1).first)
            #expect(again.id != letter.id && again.fields.map(\.0) == letter.fields.map(\.0))
            #expect(try await brand.letters.show(letter.id) == nil)
            try await brand.letters.discard([again])
            #expect(try await brand.stream.deadLetters() == 0)
        }
    }

    @Test("those of one reason or one type are replayed or discarded, and the others stay")
    func selection() async throws {
        try await TestBrand.with { brand in
            try await brand.refuse(.search, ["s1", "s2"])
            try await brand.refuse(.storeVisit, ["v1"])
            var selection = DeadLetters.Selection()
            selection.type = "search"
            selection.reason = "no such reason"
            #expect(try await brand.letters.discard(selection).count == 0)
            selection.reason = "defect"
            #expect(try await brand.letters.discard(selection).count == 2)
            selection.type = nil
            selection.atMost = 1
            #expect(try await brand.letters.replay(selection) == .init(count: 1, after: nil, left: 0))
            try await brand.write([])
            #expect(try await brand.totals.events == 1)
            #expect(try await brand.letters.replay(selection) == DeadLetters.Progress())
        }
    }

    @Test("with as many as are kept, the writer waits, and what it could not keep stays where it was")
    func bound() async throws {
        try await TestBrand.with { brand in
            let dead = brand.slug.redisPrefix + "dead"
            for _ in 0..<10 {
                _ = try await brand.redis.pipeline(
                    (0..<DeadLetters.maximum / 10).map { _ in
                        ["XADD", dead, "*", "v", "1"].map { Array($0.utf8) }
                    })
            }
            let bad = try Event.sample("bad", .search, [.email: "x@b.com"])
            try await brand.refusing(.search) {
                let fault = await #expect(throws: Fault.self) { try await brand.write([bad]) }
                #expect(fault?.code == .unavailable && fault?.detail.contains("replay or discard") == true)
            }
            #expect(try await brand.stream.length() == 1)
            #expect(try await brand.letters.discard(DeadLetters.Selection()).left == 90_000)
            try await brand.write([])
            #expect(try await brand.totals.events == 1)
        }
    }
}

extension TestBrand {
    var letters: DeadLetters {
        DeadLetters(stream: stream, gate: gate, arrivals: arrivals, clock: SystemWallClock())
    }

    /// Lets the tables refuse events of `type` while `body` runs.
    func refusing(_ type: EventType, _ body: () async throws -> Void) async throws {
        try await database.run(
            SQL(
                raw: "alter table customer_raw_event add constraint defect "
                    + "check (event_type <> '\(type.rawValue)') not valid"))
        try await body()
        try await database.run("alter table customer_raw_event drop constraint defect")
    }

    /// Makes dead letters of events that nothing is wrong with.
    func refuse(_ type: EventType, _ keys: [String]) async throws {
        try await refusing(type) {
            try await write(try keys.map { try .sample($0, type, [.email: "\($0)@b.com"]) })
        }
    }
}
