import Contract
import Foundation
import Kernel
import Sealing
import Synchronization
import Testing

@testable import DataPlane
@testable import Web

@Suite("A key's own limits", .timeLimit(.minutes(5)))
struct KeyLimitTests {
    private static let event = #"{"type":"page_view","identifiers":{"cookie_id":"c"}}"#

    /// A clock that stands until it is moved.
    private final class StandingClock: WallClock {
        private let instant = Mutex(Timestamp(year: 2026, month: 1, day: 31)!)
        func now() -> Timestamp { instant.withLock { $0 } }
        func advance(by duration: Duration) { instant.withLock { $0 = $0 + duration } }
    }

    @Test("let through ten seconds' worth at once and then so many a second, each key and kind by itself")
    func bucket() throws {
        let clock = StandingClock()
        let limits = KeyLimits(clock: clock)
        func admit(_ count: Int, _ kind: KeyLimits.Kind = .requests, of key: String = "a") -> Fault? {
            do throws(Fault) {
                try limits.admit(count, kind, of: key, perSecond: 2, telling: AnswerHeaders())
                return nil
            } catch {
                return error
            }
        }
        for _ in 0..<20 { #expect(admit(1) == nil) }
        let refusal = try #require(admit(1))
        #expect(refusal.code == .limited && refusal.retryAfter == .milliseconds(500))
        #expect(refusal.detail.contains("2 requests per second"))
        #expect(admit(1, of: "b") == nil && admit(20, .events) == nil)
        clock.advance(by: .seconds(1))
        #expect(admit(1) == nil && admit(1) == nil && admit(1) != nil)
        // A batch that is larger than the bucket passes when it is full, and is paid for.
        clock.advance(by: .seconds(10))
        #expect(admit(1000, .events) == nil)
        #expect(admit(1, .events)?.retryAfter == .milliseconds(490_500))
    }

    @Test("are told with every answer, and refuse with 429 and how long to wait; a raised one holds at once")
    func answers() async throws {
        try await TestInstance.with { instance in
            let key = try await TestInstance.mintKey(instance.brand)
            let publicID = try #require(APIKeyText.parse(key)).publicId
            func limit(_ requests: Int?, _ events: Int?) async throws {
                try await instance.brand.database.run(
                    """
                    update api_key set requests_per_second = \(requests)::bigint,
                        events_per_second = \(events)::bigint where public_id = \(publicID)
                    """)
                try await instance.brand.database.run("update brand_state set revision = revision + 1")
            }
            try await limit(1, 1)
            try await instance.serving {
                let first = try await instance.post("/api/events", Self.event, key: key)
                #expect(first.status == 202)
                #expect(
                    first.headers["ratelimit-policy"] == #""key-requests";q=1;w=1, "key-events";q=1;w=1"#)
                #expect(first.headers["ratelimit"] == #""key-requests";r=9;t=1, "key-events";r=9;t=1"#)
                let events = Array(repeating: Self.event, count: 40).joined(separator: ",")
                let batch = #"{"events":[\#(events)]}"#
                try await instance.post("/api/events/batch", batch, key: key).expectProblem(
                    429, .limited, nil, "1 events per second")
                var answer = try await instance.call("GET", "/api/monitoring/stats", key: key)
                for _ in 0..<50 where answer.status == 200 {
                    answer = try await instance.call("GET", "/api/monitoring/stats", key: key)
                }
                answer.expectProblem(429, .limited, nil, "1 requests per second")
                #expect(answer.headers["retry-after"] == "1")
                #expect(answer.headers["ratelimit"]?.hasPrefix(#""key-requests";r=0;t=10"#) == true)
                #expect(try await instance.call("GET", "/api/monitoring/stats").status == 200)
                try await limit(nil, nil)
                try await eventually("the limit is lifted", within: .seconds(10)) {
                    try await instance.post("/api/events/batch", batch, key: key).status == 202
                }
            }
        }
    }
}

@Suite("When keys are used", .timeLimit(.minutes(5)))
struct KeyUseTests {
    private static let path = "/api/monitoring/stats"

    private func uses(_ instance: TestInstance) async throws -> [String: Timestamp] {
        let rows = try await instance.brand.database.run("select public_id, last_used_at from api_key_use")
        return Dictionary(uniqueKeysWithValues: try rows.decode((String, Timestamp).self))
    }

    @Test("is written when the instance leaves, for keys that were accepted, and nothing is written before")
    func leaving() async throws {
        try await TestInstance.with { instance in
            let before = SystemWallClock().now()
            let expired = try await TestInstance.mintKey(instance.brand, expiresAt: before)
            try await instance.serving {
                let (good, bad) = (
                    try await instance.call("GET", Self.path),
                    try await instance.call("GET", Self.path, key: expired)
                )
                #expect(good.status == 200 && bad.status == 401)
                #expect(try await uses(instance).isEmpty)
            }
            let used = try await uses(instance)
            let publicID = try #require(APIKeyText.parse(instance.key)).publicId
            #expect(Array(used.keys) == [publicID])
            let instant = try #require(used[publicID])
            #expect((before...SystemWallClock().now()).contains(instant))
        }
    }

    /// A clock on which every minute is over as soon as it is waited for, up to a number of them.
    private struct CountedClock: Clock {
        let minutes: AsyncStream<Void>
        var now: ContinuousClock.Instant { .now }
        var minimumResolution: Duration { .nanoseconds(1) }
        func sleep(until _: ContinuousClock.Instant, tolerance _: Duration?) async throws {
            for await _ in minutes { return }
            throw CancellationError()
        }
    }

    @Test("is written once a minute at most, the latest use of each key, and kept where it cannot be written")
    func batched() async throws {
        try await TestBrand.with { brand in
            let (minutes, minute) = AsyncStream.makeStream(of: Void.self)
            let clock = SystemWallClock()
            let uses = KeyUses(
                store: KeyUseStore(database: brand.database), clock: clock,
                pauses: CountedClock(minutes: minutes), logger: .init(label: "test"))
            func rows() async throws -> [String] {
                try await brand.database.run("select public_id from api_key_use order by 1")
                    .decode(String.self)
            }
            let task = Task { try await uses.run() }
            for _ in 0..<100 { uses.note("a") }
            uses.note("b")
            #expect(try await rows() == [])
            minute.yield()
            try await eventually("the uses are written", within: .seconds(10)) {
                try await rows() == ["a", "b"]
            }
            try await brand.database.run("alter table api_key_use rename to away")
            uses.note("c")
            await uses.write()
            try await brand.database.run("alter table away rename to api_key_use")
            await uses.write()
            #expect(try await rows() == ["a", "b", "c"])
            // An older use than the one that is known changes nothing.
            let later = clock.now() + .days(1)
            try await brand.database.run(
                "update api_key_use set last_used_at = \(later) where public_id = 'a'")
            uses.note("a")
            minute.finish()
            try await task.value
            let kept = try await brand.database.run(
                "select last_used_at = \(later) from api_key_use where public_id = 'a'")
            #expect(try kept[0].decode(Bool.self))
        }
    }
}
