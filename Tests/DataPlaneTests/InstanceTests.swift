import Contract
import Foundation
import Kernel
import Postgres
import Testing

@testable import DataPlane

@Suite("An instance, from outside", .timeLimit(.minutes(5)))
struct InstanceTests {
    @Test("an event is accepted, stored, listed, shown, counted, and its customer found by what was sent")
    func oneEvent() async throws {
        try await TestInstance.serving { instance in
            let answer = try await instance.post(
                "/api/events",
                """
                {"eventId":"e1","type":"purchase","occurredAt":"2026-01-31T10:00:00Z","channel":"web",
                 "identifiers":{"email":"Ann@Shop.com","phone":"(202) 555-0123"},
                 "properties":{"orderId":"o1","total":"29.33",
                    "items":[{"productId":"p","quantity":2,"price":14.665}]}}
                """)
            #expect(answer.status == 202)
            let verdict = try answer.json(EventVerdict.self)
            #expect(verdict.outcome == .accepted && verdict.eventId == "e1")
            #expect(
                answer.headers["x-request-id"]?.isEmpty == false
                    && answer.headers["date"]?.hasSuffix("GMT") == true)
            try await instance.drained()
            let listed = try await instance.get("/api/events?type=purchase", as: Page<ShownEvent>.self)
            let event = try #require(listed.items.first)
            #expect(listed.items.count == 1 && listed.nextCursor == nil)
            #expect(event.eventId == "e1" && event.identifiers["email"] == "Ann@Shop.com")
            let shown = try await instance.get("/api/events/\(event.id)", as: ShownEvent.self)
            #expect(shown.occurredAt == Timestamp(rfc3339: "2026-01-31T10:00:00Z") && shown.id == event.id)
            let profiles = try await instance.get("/api/profiles?email=ann@SHOP.com", as: Page<Profile>.self)
            let profile = try #require(profiles.items.first)
            #expect(profile.lifetimeValue == "29.33" && profile.totalOrders == 1)
            #expect(profile.identifiers == ["email": ["ann@shop.com"], "phone": ["+12025550123"]])
            #expect(event.customerProfileId == profile.id)
            #expect(try await instance.get("/api/profiles/\(profile.id)", as: Profile.self).id == profile.id)
            let byProfile = try await instance.get(
                "/api/events?profile=\(profile.id)", as: Page<ShownEvent>.self)
            #expect(byProfile.items.count == 1)
            let stats = try await instance.stats()
            #expect(stats.events == 1 && stats.orders == 1 && stats.profiles == 1 && stats.waiting == 0)
            #expect(
                stats.revenue == "29.33" && stats.currency == "USD" && stats.brandId == event.brandId)
            let health = try await instance.get("/api/monitoring/health", as: HealthView.self)
            #expect(
                health.status == "ok" && health.checks["postgres"] == "ok" && health.checks["redis"] == "ok")
        }
    }

    @Test("who waits gets the profile as the event has made it; a guest's purchase has none")
    func waiting() async throws {
        try await TestInstance.serving { instance in
            let headers = ["Prefer": "wait"]
            for order in 1...3 {
                let answer = try await instance.post(
                    "/api/events",
                    #"{"type":"purchase","identifiers":{"email":"a@b.com"},"properties":{"total":"1.10"}}"#,
                    headers: headers)
                #expect(answer.status == 200)
                let profile = try answer.json(Profile.self)
                #expect(profile.totalOrders == order && profile.identifiers == ["email": ["a@b.com"]])
            }
            let guest = try await instance.post(
                "/api/events", #"{"type":"purchase","properties":{"total":"2"}}"#, headers: headers)
            #expect(guest.status == 204 && guest.body.isEmpty)
            let stats = try await instance.stats()
            #expect(stats.orders == 4 && stats.profiles == 1 && stats.revenue == "5.30")
        }
    }

    @Test("an idempotency key makes a request that is sent twice one request, for one event and for a batch")
    func idempotency() async throws {
        try await TestInstance.serving { instance in
            let event = #"{"type":"purchase","properties":{"total":"1"}}"#
            let batch = "{\"events\":[\(event),\(event),{\"type\":\"buy\"},\(event)]}"
            for _ in 0..<3 {
                let one = try await instance.post("/api/events", event, headers: ["Idempotency-Key": "k1"])
                #expect(try one.json(EventVerdict.self).eventId == "idempotency:k1:0")
                let many = try await instance.post(
                    "/api/events/batch", batch, headers: ["Idempotency-Key": "k2"])
                let answer = try many.json(BatchAnswer.self)
                #expect(
                    answer.accepted == 3
                        && answer.results.map(\.eventId) == [
                            "idempotency:k2:0", "idempotency:k2:1", nil, "idempotency:k2:3",
                        ])
                try await instance.drained()
            }
            #expect(try await instance.stats().orders == 4)
            for _ in 0..<2 { #expect(try await instance.post("/api/events", event).status == 202) }
            try await instance.drained()
            #expect(try await instance.stats().orders == 6, "without a key, each request is its own")
        }
    }

    @Test("the same event by many requests at once is one event")
    func concurrentRepetition() async throws {
        try await TestInstance.serving { instance in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<64 {
                    let event = """
                        {"eventId":"e\(index % 8)","type":"purchase",
                         "identifiers":{"email":"p\(index % 3)@b.com"},
                         "properties":{"orderId":"o\(index % 8)","total":"1.25"}}
                        """
                    group.addTask { try await instance.post("/api/events", event).status }
                }
                for try await status in group { #expect(status == 202) }
            }
            try await instance.drained()
            let stats = try await instance.stats()
            #expect(stats.events == 8 && stats.orders == 8 && stats.revenue == "10.00")
        }
    }

    @Test("pages neither skip nor repeat while events come in")
    func pages() async throws {
        try await TestInstance.serving { instance in
            func send(_ range: Range<Int>) async throws {
                let lines = range.map {
                    #"{"eventId":"e\#($0)","type":"search","identifiers":{"email":"p\#($0)@b.com"}}"#
                }
                let answer = try await instance.post(
                    "/api/events/batch", lines.joined(separator: "\n"),
                    headers: ["Content-Type": "application/x-ndjson"])
                #expect(try answer.json(BatchAnswer.self).accepted == range.count)
                try await instance.drained()
            }
            try await send(0..<150)
            for path in ["/api/events", "/api/profiles"] {
                let table = path == "/api/events" ? "customer_raw_event" : "customer_profile"
                let first = Set(
                    try await instance.brand.database.run("select id::text from \(identifier: table)")
                        .map { try $0.decode(String.self) })
                var seen: [String] = []
                var cursor: String?
                var next = 1000 + path.count * 1000
                repeat {
                    let query = cursor.map { "?limit=7&cursor=\($0)" } ?? "?limit=7"
                    let page = try await instance.get(path + query, as: Page<Listed>.self)
                    seen += page.items.map(\.id)
                    #expect(page.items.count == 7 || page.nextCursor == nil)
                    cursor = page.nextCursor
                    if seen.count % 21 == 0 { try await send(next..<next + 3) }
                    next += 3
                } while cursor != nil
                #expect(Set(seen).count == seen.count, "none is repeated")
                #expect(first.isSubset(of: seen), "none is skipped")
            }
        }
    }

    @Test(
        "however it is stopped, it loses nothing that was accepted and commits nothing twice"
    )
    func restart() async throws {
        try await TestInstance.with { instance in
            for round in 0..<4 {
                try await instance.serving(abruptly: round % 2 == 1) {
                    for index in 0..<20 {
                        let key = "\"eventId\":\"\(round)-\(index)\""
                        let event = "{\(key),\"type\":\"purchase\",\"properties\":{\"total\":\"0.05\"}}"
                        let answer = try await instance.post("/api/events", event)
                        #expect(answer.status == 202)
                    }
                }
            }
            try await instance.serving {
                try await instance.drained()
                let stats = try await instance.stats()
                #expect(stats.orders == 80 && stats.revenue == "4.00")
            }
        }
    }

    @Test(
        "beyond the stream's limit, events are refused with when to come again"
    )
    func full() async throws {
        try await TestInstance.with { instance in
            let database = instance.brand.database
            try await database.run("update brand_state set limits = '{\"streamEntries\":10}'")
            try await instance.serving {
                try await instance.brand.holdingLease {
                    let event = #"{"type":"purchase","properties":{"total":"1"}}"#
                    for count in 1...10 {
                        try await eventually("there is room for \(count)") {
                            try await instance.post("/api/events", event).status == 202
                        }
                    }
                    let answer = try await instance.post("/api/events", event)
                    answer.expectProblem(503, .unavailable, nil, "the limit is 10")
                    #expect(answer.headers["retry-after"].flatMap(Int.init) ?? 0 > 0)
                }
                try await instance.drained()
                #expect(try await instance.stats().orders == 10)
            }
        }
    }
}

private struct Profile: Codable, Sendable {
    let id: ProfileID
    let identifiers: [String: [String]]
    let lifetimeValue: String
    let totalOrders: Int
}

private struct Listed: Codable, Sendable {
    let id: String
}
