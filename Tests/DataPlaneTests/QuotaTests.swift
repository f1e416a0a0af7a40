import Contract
import Foundation
import Kernel
import Logging
import Postgres
import Testing
import Workflow

@testable import DataPlane
@testable import Events

@Suite("What a plan lets in", .timeLimit(.minutes(5)))
struct QuotaTests {
    private func batch(_ keys: Range<Int>) -> String {
        let events = keys.map {
            #"{"eventId":"q\#($0)","type":"page_view","identifiers":{"email":"q\#($0)@b.com"}}"#
        }
        return #"{"events":[\#(events.joined(separator: ","))]}"#
    }

    @Test("the month's events are what was committed, each once, and not one more is accepted")
    func month() async throws {
        try await TestInstance.serving { instance in
            try await instance.project(limits: #"{"eventsPerMonth":10}"#)
            #expect(try await instance.post("/api/events/batch", batch(0..<8)).status == 202)
            #expect(try await instance.post("/api/events/batch", batch(0..<2)).status == 202)
            try await instance.drained()
            let refused = try await instance.post("/api/events/batch", batch(8..<11))
            refused.expectProblem(
                429, .limited, nil, "the plan's limit is reached: 8 of its 10 events per month are used")
            let wait = try #require(refused.headers["retry-after"].flatMap { Int($0) })
            #expect((1...31 * 86_400).contains(wait))
            #expect(refused.headers["ratelimit-policy"]?.hasPrefix(#""month";q=10;w="#) == true)
            #expect(refused.headers["ratelimit"]?.hasPrefix(#""month";r=2;t="#) == true)
            // What has just been committed counts as waiting for a moment, and is asked to come again.
            try await eventually("the last two are accepted") {
                try await instance.post("/api/events/batch", batch(8..<10)).status == 202
            }
            try await instance.drained()
            try await instance.post("/api/events/batch", batch(10..<11)).expectProblem(429, .limited)
            let usage: UsageView = try await instance.get("/api/usage")
            #expect(usage.items.first == UsageView.Item("eventsPerMonth", used: 10, limit: 10))
            #expect(try await instance.stats().events == 10)
        }
    }

    @Test("test events have an allowance of their own, and a raised limit holds within a second")
    func live() async throws {
        try await TestInstance.serving { instance in
            try await instance.project(limits: #"{"eventsPerMonth":2}"#)
            #expect(try await instance.post("/api/events/batch", batch(0..<2)).status == 202)
            try await instance.drained()
            try await instance.post("/api/events/batch", batch(2..<3)).expectProblem(429, .limited)
            let test = try await TestInstance.mintKey(instance.brand, .test)
            #expect(try await instance.post("/api/events/batch", batch(2..<4), key: test).status == 202)
            try await instance.drained()
            try await instance.post("/api/events/batch", batch(5..<6), key: test)
                .expectProblem(429, .limited, nil, "2 of its 2 test events per month are used")
            try await instance.project(limits: #"{"eventsPerMonth":3}"#)
            #expect(try await instance.post("/api/events/batch", batch(6..<7)).status == 202)
            try await instance.project(limits: "{}")
            #expect(try await instance.post("/api/events/batch", batch(7..<400)).status == 202)
        }
    }

    @Test("more events than a second's allowance and its burst are refused for as long as it says")
    func second() async throws {
        try await TestInstance.serving { instance in
            try await instance.project(limits: #"{"eventsPerSecond":50}"#)
            let first = try await instance.post("/api/events/batch", batch(0..<1000))
            #expect(first.status == 202)
            #expect(first.headers["ratelimit-policy"] == #""second";q=50;w=1"#)
            let refused = try await instance.post("/api/events/batch", batch(1000..<2000))
            refused.expectProblem(429, .limited, nil, "it allows 50 events per second")
            let wait = try #require(refused.headers["retry-after"].flatMap { Int($0) })
            #expect((10...20).contains(wait))
            #expect(refused.headers["ratelimit-policy"] == #""second";q=50;w=1"#)
            // What is refused for its number is not read: nothing in it is wrong yet.
            let wrong = String(repeating: #"{"type":"dance"},"#, count: 999) + #"{"type":"dance"}"#
            try await instance.post("/api/events/batch", #"{"events":[\#(wrong)]}"#)
                .expectProblem(429, .limited, nil, "it allows 50 events per second")
        }
    }

    @Test("at the limit of profiles nothing more comes in, and everything that is there stays")
    func profiles() async throws {
        try await TestInstance.serving { instance in
            try await instance.project(limits: #"{"profiles":3}"#)
            #expect(try await instance.post("/api/events/batch", batch(0..<3)).status == 202)
            try await instance.drained()
            // What is refused changes nothing; what is known makes no profile.
            try await eventually("no more profiles") {
                try await instance.post("/api/events/batch", batch(0..<1)).status == 429
            }
            #expect(try await instance.stats().profiles == 3)
        }
    }

    @Test("a file waits for a limit that passes soon, and fails with the reason at the month's")
    func files() async throws {
        try await TestInstance.serving { instance in
            try await instance.project(limits: #"{"eventsPerSecond":1,"eventsPerMonth":1500}"#)
            func upload(_ rows: Int) async throws -> OperationView {
                let lines = (0..<rows).map { "\($0 % 7),\($0).00" }
                let answer = try await instance.post(
                    "/api/integrations/csv?source=f&type=purchase&map=loyalty_id:c&map=total:v",
                    (["c,v"] + lines).joined(separator: "\n"))
                var shown = try answer.json(OperationView.self)
                try await eventually("the import ends") {
                    shown = try await instance.get("/api/operations/\(shown.id)")
                    return shown.state.isFinal
                }
                return shown
            }
            #expect(try await upload(1400).state == .done)
            let failed = try await upload(1700)
            #expect(failed.state == .failed)
            #expect(failed.error?.contains("1400 of its 1500 events per month are used") == true)
            #expect(try await instance.stats().orders == 1400)
        }
    }

    @Test("the meter agrees with the raw events, quarter by quarter, whatever is repeated, killed or a test")
    func meter() async throws {
        try await TestBrand.with { brand in
            var random = SystemRandomNumberGenerator()
            let start = try #require(Timestamp(rfc3339: "2026-10-31T18:00:00Z"))
            for round in 0..<12 {
                let events = try (0..<40).map { _ in
                    let key = Int.random(in: 0..<300, using: &random)
                    let sample = try Event.sample("m\(key)", [.email: "m\(key % 9)@b.com"])
                    return sample.received(
                        at: start + .seconds(Int.random(in: 0..<90_000, using: &random)),
                        isTest: key % 5 == 0)
                }
                try await brand.events.accept(events)
                if round % 3 == 0 {
                    let point = EventWriter.afterCommit(brand.slug)
                    Failpoint.arm(point, .fail)
                    _ = try? await brand.writer().writeOldest()
                    #expect(Failpoint.disarm(point) == 1)
                }
                while try await brand.writer().writeOldest() > 0 {}
            }
            let metered = try await brand.database.run(
                "select quarter, events, test_events from event_meter order by 1"
            ).decode((Timestamp, Int64, Int64).self)
            let counted = try await brand.database.run(
                """
                select to_timestamp(floor(extract(epoch from created_at) / 900) * 900),
                    count(*) filter (where not test), count(*) filter (where test)
                from customer_raw_event group by 1 order by 1
                """
            ).decode((Timestamp, Int64, Int64).self)
            #expect(metered.count > 50)
            #expect(metered.map { "\($0)" } == counted.map { "\($0)" })
        }
    }

    @Test("a month begins when it does in the brand's time zone")
    func zones() async throws {
        try await TestBrand.with { brand in
            let quarters = ["2026-10-31T18:15:00Z", "2026-10-31T18:30:00Z", "2026-10-31T23:45:00Z"]
            for quarter in quarters {
                let at = try #require(Timestamp(rfc3339: quarter))
                let event = try Event.sample(quarter, [.email: "z@b.com"])
                try await brand.write([event.received(at: at, isTest: false)])
            }
            let store = EventMeterStore()
            let noon = try #require(Timestamp(rfc3339: "2026-11-01T12:00:00Z"))
            for (zone, used, from) in [
                ("UTC", 0, "2026-11-01T00:00:00Z"), ("Asia/Kolkata", 2, "2026-10-31T18:30:00Z"),
                ("Asia/Kathmandu", 3, "2026-10-31T18:15:00Z"), ("Europe/Berlin", 1, "2026-10-31T23:00:00Z"),
            ] {
                let usage = try await store.usage(at: noon, timeZone: zone, on: brand.database)
                #expect(usage.events == used, "\(zone)")
                #expect(usage.month.lowerBound == Timestamp(rfc3339: from), "\(zone)")
            }
        }
    }
}

extension Event {
    /// The same event as received at another instant.
    fileprivate func received(at instant: Timestamp, isTest: Bool) -> Event {
        Event(
            source: source, key: key, type: type, occurredAt: occurredAt, receivedAt: instant,
            channel: channel, identifiers: identifiers, properties: properties, isTest: isTest)
    }
}

extension TestInstance {
    /// Projects other limits, and waits until the instance knows.
    fileprivate func project(limits: String) async throws {
        try await brand.database.run(
            "update brand_state set limits = \(JSONB(bytes: Array(limits.utf8))), revision = revision + 1")
        try await eventually("the limits hold") {
            let sent = try JSONDecoder().decode(Projection.Limits.self, from: Data(limits.utf8))
            let usage: UsageView = try await get("/api/usage")
            let probe = try await post("/api/events/batch", #"{"events":[{"type":"none"}]}"#)
            return usage.items.map(\.limit) == [sent.eventsPerMonth, sent.eventsPerMonth, sent.profiles]
                && (probe.headers["ratelimit-policy"]?.contains("second") ?? false)
                    == (sent.eventsPerSecond != nil)
        }
    }

}
