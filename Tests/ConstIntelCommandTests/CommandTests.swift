import ConstIntelCommand
import Contract
import Foundation
import Kernel
import Synchronization
import Testing

private let moment = Timestamp(microseconds: 1_700_000_000_000_000)

private func operation(_ state: OperationView.State, step: String?, subject: String = "demo") -> OperationView
{
    OperationView(
        id: OperationID(UUIDv7(high: 0x0198_0000_0000_7000, low: 0x8000_0000_0000_0002)),
        kind: "brand.provision",
        subject: "demo", state: state, step: step, progress: .init(done: 2, total: 4, unit: "steps"),
        error: state == .stuck ? "the schema could not be made" : nil,
        runbook: state == .stuck ? "runbooks/provision-stuck.md" : nil, createdAt: moment, updatedAt: moment)
}

private func brand(_ status: BrandView.Status = .active) throws -> BrandView {
    BrandView(
        id: BrandID(UUIDv7(high: 1, low: 2)), slug: try Slug("demo"), name: "Demo", domain: nil,
        industry: nil,
        country: "US", timeZone: "UTC", currency: "USD", plan: "free", status: status,
        instance: .init(state: "ready", generation: 1, pid: 7, restarts: 0), onboardingCompleted: false,
        createdAt: moment, updatedAt: moment)
}

/// Answers the making of a brand.
private final class Provisioning: Sendable {
    private let polls = Mutex(0)
    let end: OperationView.State
    let existing: BrandView.Status?

    init(end: OperationView.State = .done, existing: BrandView.Status? = nil) {
        self.end = end
        self.existing = existing
    }

    @Sendable func answer(_ asked: Asked, _ service: TestService) async throws -> Reply {
        switch asked.call {
        case "POST /api/admin/brands" where existing != nil:
            return .problem(409, "conflict", "there is a brand 'demo' already", field: "slug")
        case "POST /api/admin/brands":
            return try Reply(operation(.pending, step: nil), status: 202)
        case "GET /api/admin/operations" where asked.query == ["subject=demo"]:
            return try Reply(Page(items: [operation(.running, step: "roles")]))
        case "GET /api/admin/operations/\(operation(.done, step: nil).id)":
            let poll = polls.withLock { polls in
                polls += 1
                return polls
            }
            return try Reply(operation(poll < 3 ? .running : end, step: "schema"))
        case "GET /api/admin/brands/demo":
            return try Reply(brand(polls.withLock { $0 } == 0 ? existing ?? .active : .active))
        default:
            return .problem(404, "not-found", "nothing is there")
        }
    }
}

@Suite struct BrandCommandTests {
    @Test("a brand is made, followed to its end and shown, with a key that makes the request repeatable")
    func create() async throws {
        try await TestService.run(Provisioning().answer) { service in
            let outcome = await service.locally(
                "brand", "create", "demo", "--currency", "INR", "--time-zone", "Asia/Kolkata", terminal: true)
            #expect(outcome.status == 0, "\(outcome)")
            #expect(outcome.output.contains("status     active\n"))
            #expect(outcome.error.contains("brand.provision demo (schema)"))
            #expect(outcome.error.contains("2 of 4 steps"))
            let asked = try #require(service.asked.first)
            #expect(asked.json?["slug"] == .string("demo"))
            #expect(asked.json?["timeZone"] == .string("Asia/Kolkata"))
            #expect(asked.json?["name"] == nil)
            #expect(asked.idempotencyKey.flatMap { UUIDv7($0) } != nil)
            #expect(asked.token == nil)
        }
    }

    @Test("a brand whose making is stuck is a failure that names the runbook")
    func stuck() async throws {
        try await TestService.run(Provisioning(end: .stuck).answer) { service in
            let outcome = await service.locally("brand", "create", "demo")
            #expect(outcome.status == ExitStatus.failed.rawValue)
            #expect(outcome.output.isEmpty)
            #expect(
                outcome.error
                    == "Error: could not create the brand 'demo': the schema could not be made, at the "
                    + "step 'schema'; see runbooks/provision-stuck.md\n")
        }
    }

    @Test("without waiting, the operation is the result")
    func noWait() async throws {
        try await TestService.run(Provisioning().answer) { service in
            let outcome = await service.locally("brand", "create", "demo", "--no-wait", "--output", "json")
            let answer = try JSONDecoder().decode(OperationView.self, from: Data(outcome.output.utf8))
            #expect(answer.state == .pending)
            #expect(service.asked.count == 1)
        }
    }

    @Test("a brand that exists is a refusal with the field")
    func exists() async throws {
        try await TestService.run(Provisioning(existing: .active).answer) { service in
            let outcome = await service.locally("brand", "create", "demo")
            #expect(outcome.status == ExitStatus.failed.rawValue)
            #expect(
                outcome.error
                    == "Error: could not create the brand 'demo': there is a brand 'demo' already (slug)\n")
        }
    }

    @Test("a brand that exists is left as it is when that was asked; one in the making is waited for")
    func ifAbsent() async throws {
        for (status, calls) in [(BrandView.Status.active, 3), (.provisioning, 7)] {
            try await TestService.run(Provisioning(existing: status).answer) { service in
                let outcome = await service.locally(
                    "brand", "create", "demo", "--if-absent", "--output", "json")
                #expect(outcome.status == 0, "\(outcome)")
                let answer = try JSONDecoder().decode(BrandView.self, from: Data(outcome.output.utf8))
                #expect(answer.status == .active)
                #expect(service.asked.count == calls, "\(service.asked.map(\.call))")
            }
        }
    }

    @Test("a brand's totals are its instance's own answer")
    func stats() async throws {
        let stats =
            #"{"brandId":"0198c5f2-8b7a-7c3e-9d0a-0242ac120002","profiles":23570,"events":69659,"#
            + #""orders":69659,"revenue":"2500315.63","currency":"USD","#
            + #""otherCurrencies":{"EUR":"1.00"},"ordersWithoutRate":{"EUR":2},"waiting":0}"#
        let answer: @Sendable (Asked, TestService) throws -> Reply = { asked, service in
            switch asked.call {
            case "POST /api/auth/brand-token": try service.brandToken()
            case "GET /b/demo/api/monitoring/stats" where asked.token == "brand-token": Reply(stats)
            default: .problem(404, "not-found", "nothing is there")
            }
        }
        try await TestService.run(answer) { service in
            #expect(
                await service.locally("brand", "stats", "demo", "--output", "json").output == stats + "\n")
            let table = await service.locally("brand", "stats", "demo").output
            #expect(
                table.contains(
                    """
                    orders                 69,659
                    revenue                2500315.63 USD
                    revenue in EUR         1.00
                    orders without a rate  2 in EUR

                    """))
        }
    }
}

@Suite struct ControlCommandTests {
    @Test("the status is the platform and its brands, for a person and as JSON")
    func status() async throws {
        let answer: @Sendable (Asked, TestService) throws -> Reply = { asked, _ in
            switch asked.path {
            case "/api/admin/platform":
                return try Reply(
                    PlatformView(
                        environment: .development, edge: "http://127.0.0.1:8080", release: "0.1",
                        services: ["redis": "ready", "nginx": "failed"]))
            case "/api/admin/operations" where asked.query.contains("state=stuck"):
                return try Reply(Page(items: [operation(.stuck, step: "schema")]))
            default:
                var quarantined = try brand(.suspended)
                quarantined.instance.quarantine = .init(failures: 3, reason: "no disk", until: moment)
                return try Reply(Page(items: [brand(), quarantined]))
            }
        }
        try await TestService.run(answer) { service in
            let outcome = await service.locally("status")
            #expect(
                outcome.output == """
                    edge         http://127.0.0.1:8080
                    release      0.1
                    nginx        failed
                    redis        ready
                    brands       2: 1 active, 1 suspended
                    instances    2 ready
                    quarantined  demo
                    stuck        brand.provision of 'demo', operation \(operation(.stuck, step: nil).id)

                    """)
            let json = await service.locally("status", "--output", "json").output
            let value = try JSONDecoder().decode(JSONValue.self, from: Data(json.utf8))
            #expect(value["platform"]?["release"] == .string("0.1"))
            #expect(value["brands"]?["items"]?.elements?.count == 2)
        }
    }

    @Test("a new key is printed, once, and its draft is what was asked for")
    func keyCreate() async throws {
        let answer: @Sendable (Asked, TestService) throws -> Reply = { _, _ in
            try Reply(
                KeyCreated(
                    key: "ci_live_demo_x",
                    view: KeyView(
                        publicId: "x", name: "shop", environment: "live", createdAt: moment)), status: 201)
        }
        try await TestService.run(answer) { service in
            let outcome = await service.locally(
                "key", "create", "demo", "--name", "shop", "--scope", "events:write", "--expires-at",
                "2027-01-31")
            #expect(outcome.output.hasPrefix("key        ci_live_demo_x\n"))
            #expect(outcome.error == "The key is shown only this once.\n")
            let draft = try #require(service.asked.first)
            #expect(draft.call == "POST /api/admin/brands/demo/keys")
            #expect(draft.json?["scopes"] == .array([.string("events:write")]))
            #expect(draft.json?["expiresAt"] == .string("2027-01-31T00:00:00Z"))
            #expect(draft.json?["environment"] == .string("live"))
        }
    }

    @Test("a key is revoked by its public id, which cannot lead elsewhere")
    func keyRevoke() async throws {
        try await TestService.run({ _, _ in Reply(status: 204) }) { service in
            let outcome = await service.locally("key", "revoke", "demo", "../x")
            #expect(outcome.output == "Revoked the key ../x of 'demo'.\n")
            #expect(service.asked.map(\.call) == ["DELETE /api/admin/brands/demo/keys/..%2Fx"])
            #expect(await service.locally("key", "revoke", "demo", "x", "--output", "json").output.isEmpty)
        }
    }

    @Test("a page that is not the last says how to get the next")
    func pages() async throws {
        let answer: @Sendable (Asked, TestService) throws -> Reply = { _, _ in
            try Reply(Page(items: [operation(.running, step: "roles")], nextCursor: "abc"))
        }
        try await TestService.run(answer) { service in
            let outcome = await service.locally("operation", "list", "--limit", "1", "--cursor", "a b")
            #expect(outcome.output.hasPrefix("ID   "))
            #expect(outcome.output.contains("brand.provision  demo     running  roles"))
            #expect(outcome.error == "There are more: add --cursor abc\n")
            #expect(service.asked.map(\.query) == [["limit=1", "cursor=a%20b"]])
        }
    }

    @Test("waiting ends when the service is ready, and fails when its time is up")
    func wait() async throws {
        let asked = Mutex(0)
        let answer: @Sendable (Asked, TestService) throws -> Reply = { _, _ in
            let count = asked.withLock { count in
                count += 1
                return count
            }
            let degraded =
                #"{"status":"degraded","checks":{"redis":"does not answer","controlDatabase":"ok"}}"#
            return count < 4 ? Reply(degraded, status: 503) : Reply(#"{"status":"ok","checks":{}}"#)
        }
        try await TestService.run(answer) { service in
            let late = await service.locally("wait", "--timeout", "0")
            #expect(late.status == ExitStatus.unreachable.rawValue)
            #expect(late.error.contains("not ready: redis does not answer\n"))
            let outcome = await service.locally("wait", "--timeout", "600")
            #expect(outcome.status == 0)
            #expect(outcome.output == "The service is ready.\n")
        }
    }

    @Test(
        "what a service refuses is a sentence and a status, whatever wrote the answer",
        arguments: [
            (Reply.problem(422, "invalid", "not a country", field: "country"), 1, "not a country (country)"),
            (Reply("<html>", status: 502), 2, "the service answered with the status 502"),
            (Reply(#"{"title":"Brand is silent","status":503}"#, status: 503), 2, "Brand is silent"),
            (Reply(#"{"detail":"a bug","requestId":"r-1"}"#, status: 500), 1, "a bug [request r-1]"),
            (Reply("not JSON"), 1, "not one that this version of constintel understands"),
        ])
    func refusals(reply: Reply, status: Int32, words: String) async throws {
        try await TestService.run({ _, _ in reply }) { service in
            let outcome = await service.locally("brand", "list")
            #expect(outcome.status == status)
            #expect(outcome.error.hasPrefix("Error: could not list the brands: "))
            #expect(outcome.error.contains(words))
            #expect(outcome.output.isEmpty)
        }
    }
}

@Suite struct EventCommandTests {
    @Test("lines are sent 1,000 at a time, and verdicts count through all of them")
    func sendLines() async throws {
        let answer: @Sendable (Asked, TestService) throws -> Reply = { asked, service in
            if asked.path == "/api/auth/brand-token" { return try service.brandToken() }
            let count = asked.body.count { $0 == 0x0A }
            let verdict = EventVerdict(
                index: 3, outcome: .rejected, eventId: nil, error: "unknown", field: "type")
            return try Reply(BatchAnswer(accepted: count - 1, rejected: 1, results: [verdict]))
        }
        try await TestService.run(answer) { service in
            let path = "\(service.state)/events.ndjson"
            let lines = (0..<1500).map { "{\"n\":\($0)}\n" }.joined()
            try lines.write(toFile: path, atomically: false, encoding: .utf8)
            let outcome = await service.locally(
                "events", "send", path, "--brand", "demo", "--idempotency-key", "k")
            #expect(outcome.status == ExitStatus.rejections.rawValue)
            #expect(outcome.output == "Sent to 'demo': 1,498 accepted, 2 rejected.\n")
            #expect(outcome.error == "EVENT  FIELD  REASON\n    3  type   unknown\n 1003  type   unknown\n")
            let sent = service.asked.dropFirst()
            #expect(sent.map(\.call) == Array(repeating: "POST /b/demo/api/events/batch", count: 2))
            #expect(sent.map(\.idempotencyKey) == ["k-0", "k-1"])
            #expect(sent.map(\.contentType) == Array(repeating: "application/x-ndjson", count: 2))
            #expect(sent.map { String(decoding: $0.body, as: UTF8.self) }.joined() == lines)
        }
    }

    @Test("one event goes to its own path; an empty file goes nowhere")
    func sendOne() async throws {
        let answer: @Sendable (Asked, TestService) throws -> Reply = { asked, service in
            asked.path == "/api/auth/brand-token"
                ? try service.brandToken() : Reply(#"{"outcome":"accepted","eventId":"e-1"}"#, status: 202)
        }
        try await TestService.run(answer) { service in
            let path = "\(service.state)/event.json"
            try "{\"type\":\"search\"}".write(toFile: path, atomically: false, encoding: .utf8)
            let outcome = await service.locally("events", "send", path, "--brand", "demo")
            #expect(outcome.output == "event id  e-1\noutcome   accepted\n")
            #expect(service.asked.last?.call == "POST /b/demo/api/events")
            try " \n".write(toFile: path, atomically: false, encoding: .utf8)
            let empty = await service.locally("events", "send", path, "--brand", "demo")
            #expect(empty.status == ExitStatus.failed.rawValue)
            #expect(empty.error.contains("holds no event"))
        }
    }

    @Test("profiles are found by an identifier of any characters")
    func find() async throws {
        let answer: @Sendable (Asked, TestService) throws -> Reply = { asked, service in
            asked.path == "/api/auth/brand-token"
                ? try service.brandToken()
                : Reply(
                    #"{"items":[{"id":"p","identifiers":{"email":"a+b@c.com"},"totalOrders":2}]}"#
                )
        }
        try await TestService.run(answer) { service in
            let outcome = await service.locally(
                "profiles", "find", "--brand", "demo", "--identifier", "email=a+b@c.com")
            #expect(outcome.output == "ID  IDENTIFIERS      TOTAL ORDERS\np   email=a+b@c.com  2\n")
            #expect(service.asked.last?.query == ["email=a%2Bb%40c.com"])
        }
    }
}
