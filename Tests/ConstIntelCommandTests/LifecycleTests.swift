import Contract
import Foundation
import Kernel
import Testing

@testable import ConstIntelCommand

/// Answers every change with an operation that is done when asked for, and with its plan when that is wanted.
private func lifecycle(
    _ brand: BrandView? = nil, end: OperationView.State = .done
) -> @Sendable (Asked, TestService) async throws -> Reply {
    { asked, _ in
        switch (asked.method, asked.path) {
        case (_, _) where asked.query == ["plan=true"]: try Reply(Samples.plan)
        case ("GET", "/api/admin/brands/demo"): try Reply(brand ?? Samples.brand())
        case ("GET", "/api/admin/operations/\(Samples.operation().id)"): try Reply(Samples.operation(end))
        case ("POST", let path) where path.hasSuffix("pause"): try Reply(Samples.brand())
        case ("GET", _): .problem(404, "not-found", "nothing is there")
        default: try Reply(Samples.operation(.pending), status: 202)
        }
    }
}

/// One command that changes something, and the request that it makes.
struct Change: Sendable, CustomTestStringConvertible {
    var arguments: [String]
    var call: String
    /// The JSON of the body; nil for none.
    var body: String?

    init(_ arguments: String, _ call: String, _ body: String? = nil) {
        self.arguments = arguments.split(separator: " ").map { $0 == "''" ? "" : String($0) }
        self.call = call
        self.body = body
    }

    var testDescription: String { arguments.joined(separator: " ") }

    /// All of a brand's and an instance's life.
    static let all = [
        Change(
            "brand update demo --name D --time-zone UTC", "PATCH /api/admin/brands/demo",
            #"{"name":"D","timeZone":"UTC"}"#),
        Change(
            "brand update demo --domain '' --industry ''", "PATCH /api/admin/brands/demo",
            #"{"domain":"","industry":""}"#),
        Change(
            "brand suspend demo --reason unpaid", "POST /api/admin/brands/demo/suspend",
            #"{"reason":"unpaid"}"#),
        Change("brand resume demo", "POST /api/admin/brands/demo/resume"),
        Change("brand plan demo pro", "POST /api/admin/brands/demo/plan", #"{"plan":"pro"}"#),
        Change("brand delete demo --yes", "DELETE /api/admin/brands/demo"),
        Change(
            "brand delete demo --yes --grace-days 0", "DELETE /api/admin/brands/demo", #"{"graceDays":0}"#),
        Change("brand undelete demo", "POST /api/admin/brands/demo/undelete"),
        Change(
            "brand purge demo --confirm demo", "POST /api/admin/brands/demo/purge", #"{"confirm":"demo"}"#),
        Change("instance start demo", "POST /api/admin/brands/demo/instance/start"),
        Change("instance stop demo", "POST /api/admin/brands/demo/instance/stop"),
        Change("instance restart demo", "POST /api/admin/brands/demo/instance/restart"),
        Change(
            "instance upgrade demo 0.2.0", "POST /api/admin/brands/demo/instance/upgrade",
            #"{"release":"0.2.0"}"#),
        Change("instance rollback demo", "POST /api/admin/brands/demo/instance/rollback"),
        Change(
            "instance pause demo --reason ana", "POST /api/admin/brands/demo/instance/pause",
            #"{"reason":"ana"}"#),
        Change("instance unpause demo", "POST /api/admin/brands/demo/instance/unpause"),
    ]

    /// The control plane's other changes, which begin no operation that these tests follow.
    static let others = [
        Change("brand create demo", "POST /api/admin/brands", #"{"slug":"demo"}"#),
        Change(
            "key create demo --name shop", "POST /api/admin/brands/demo/keys",
            #"{"name":"shop","environment":"live"}"#),
        Change("key revoke demo 0aB1cD2eF3gH", "DELETE /api/admin/brands/demo/keys/0aB1cD2eF3gH"),
        Change(
            "user create a@b.com --role admin", "POST /api/admin/users",
            #"{"email":"a@b.com","role":"admin"}"#),
    ]
}

@Suite("A brand's life by command") struct LifecycleTests {
    @Test("each command makes its one request, with a key of its own", arguments: Change.all)
    func requests(change: Change) async throws {
        try await TestService.run(lifecycle()) { service in
            let outcome = await service.locally(change.arguments)
            #expect(outcome.status == 0, "\(outcome)")
            let writes = service.asked.filter { $0.method != "GET" }
            #expect(writes.map(\.call) == [change.call])
            #expect(writes.map(\.query) == [[]])
            let body = try change.body.map { try JSONDecoder().decode(JSONValue.self, from: Data($0.utf8)) }
            #expect(writes.first?.json == body)
            #expect(writes.first?.idempotencyKey.flatMap { UUIDv7($0) } != nil)
        }
    }

    @Test(
        "each command's plan is asked for, printed, and all that is asked",
        arguments: Change.all + Change.others)
    func plans(change: Change) async throws {
        try await TestService.run(lifecycle()) { service in
            let outcome = await service.locally(change.arguments + ["--plan"])
            #expect(outcome.status == 0, "\(outcome)")
            #expect(outcome.output.hasSuffix("\nNothing has been done.\n"))
            #expect(service.asked.map(\.call) == [change.call])
            #expect(service.asked.map(\.query) == [["plan=true"]])
            let body = try change.body.map { try JSONDecoder().decode(JSONValue.self, from: Data($0.utf8)) }
            #expect(service.asked.first?.json == body)
            #expect(service.asked.first?.idempotencyKey == nil)
        }
    }

    @Test("two runs of one command are two requests")
    func keys() async throws {
        try await TestService.run(lifecycle()) { service in
            for _ in 0..<2 { _ = await service.locally("brand", "resume", "demo", "--no-wait") }
            #expect(Set(service.asked.map(\.idempotencyKey)).count == 2)
        }
    }

    @Test("a plan is numbered steps with their effects below them, and marks what cannot be taken back")
    func planLines() async throws {
        try await TestService.run(lifecycle()) { service in
            let outcome = await service.locally("brand", "purge", "demo", "--plan")
            #expect(
                outcome.output == """
                    brand.purge of 'demo', 3 steps:

                    1. remember
                    2. dropSchema  (cannot be taken back)
                       brands database  drop schema "brand_demo"
                                            cascade
                       files            remove instances/demo
                    3. tell  (cannot be taken back)
                       redis  ACL DELUSER brand-demo\u{FFFD}[2J

                    Nothing has been done.

                    """)
            let json = await service.locally("brand", "purge", "demo", "--plan", "--output", "json").output
            let plan = try JSONDecoder().decode(OperationPlan.self, from: Data(json.utf8))
            #expect(plan == Samples.plan)
        }
    }

    @Test("after a change the brand is shown; without waiting, the operation")
    func results() async throws {
        try await TestService.run(lifecycle(Samples.brand(.suspended, reason: "unpaid"))) { service in
            let waited = await service.locally("brand", "suspend", "demo", "--reason", "unpaid")
            #expect(waited.output.contains("status     suspended\nbecause    unpaid\n"), "\(waited)")
            let begun = await service.locally("brand", "resume", "demo", "--no-wait", "--output", "json")
            let answer = try JSONDecoder().decode(OperationView.self, from: Data(begun.output.utf8))
            #expect(answer.state == .pending)
        }
    }

    @Test("an operation that did not get there is a failure that says why, where, and what to read")
    func failures() async throws {
        try await TestService.run(lifecycle(end: .stuck)) { service in
            let outcome = await service.locally("instance", "upgrade", "demo", "0.2.0")
            #expect(outcome.status == ExitStatus.failed.rawValue && outcome.output.isEmpty)
            #expect(
                outcome.error
                    == "Error: could not upgrade 'demo' to '0.2.0': it did not become ready, at the step "
                    + "'awaitReady'; see runbooks/instance-stuck.md\n")
        }
    }

    @Test("a deletion is confirmed by typing the slug, and by nothing else")
    func typing() async throws {
        try await TestService.run(lifecycle()) { service in
            let arguments = ["brand", "delete", "demo", "--grace-days", "7"]
            for wrong in [nil, "", "y", "demo2"] {
                let outcome = await service.locally(arguments, input: wrong, terminal: true)
                #expect(outcome.status == ExitStatus.failed.rawValue)
                #expect(outcome.error.contains("kept for 7 days"))
                #expect(outcome.error.contains("what was typed is not 'demo'; nothing has been done"))
            }
            #expect(service.asked.isEmpty)
            let outcome = await service.locally(arguments, input: "demo", terminal: true)
            #expect(outcome.status == 0 && service.asked.first?.method == "DELETE", "\(outcome)")
        }
    }

    @Test("where nobody can be asked, what destroys is refused until the option stands for the answer")
    func unattended() async throws {
        try await TestService.run(lifecycle()) { service in
            let deleted = await service.locally("brand", "delete", "demo", input: "demo")
            #expect(
                deleted.error
                    == "Error: could not delete the brand 'demo': there is no terminal to confirm it at; "
                    + "use --yes\n")
            let purged = await service.locally("brand", "purge", "demo", input: "demo")
            #expect(purged.status == 1 && purged.error.contains("use --confirm demo"), "\(purged)")
            #expect(service.asked.isEmpty)
        }
    }

    @Test("a purge is confirmed by typing the slug, and says what remains")
    func purge() async throws {
        try await TestService.run(lifecycle()) { service in
            let outcome = await service.locally("brand", "purge", "demo", input: "demo", terminal: true)
            #expect(outcome.status == 0, "\(outcome)")
            #expect(outcome.error.contains("This cannot be taken back.\nType 'demo' to go on: "))
            #expect(
                outcome.output == "Purged 'demo': its data is gone, and its slug is never used again.\n")
            #expect(service.asked.first?.json?["confirm"] == .string("demo"))
        }
    }

    @Test("what a brand is in, is told in words")
    func words() async throws {
        var brand = try Samples.brand(.deleted)
        brand.purgeAfter = Samples.moment
        brand.instance = .init(
            intent: "running", state: "failed", generation: 3, restarts: 5, previousRelease: "0.1.0",
            pausedReason: "ana looks",
            quarantine: .init(failures: 2, reason: "no disk", until: Samples.moment))
        let shown = brand
        try await TestService.run(lifecycle(shown)) { service in
            let lines = await service.locally("brand", "show", "demo").output.split(separator: "\n")
            for line in [
                "status      deleted",
                "purged      after \(Samples.moment); until then it can be undeleted",
                "instance    failed, and meant to run",
                "release     the daemon's own, before it 0.1.0",
                "paused      ana looks",
                "quarantine  failed 2 times in a row, tried again at \(Samples.moment): no disk",
            ] { #expect(lines.contains(Substring(line)), "\(lines)") }
            let instance = await service.locally("instance", "show", "demo").output
            #expect(
                instance.hasPrefix("brand       demo\ninstance    failed, and meant to run\n"), "\(instance)")
            #expect(instance.hasSuffix("generation  3\n"))
        }
    }
}

@Suite("What is seen of the fleet") struct FleetCommandTests {
    @Test("releases are a table with how many brands each serves")
    func releases() async throws {
        let answer = Page(items: [
            ReleaseView(name: "0.1.0", brands: 1200), ReleaseView(name: "0.2.0", brands: 3),
        ])
        try await TestService.run({ _, _ in try Reply(answer) }) { service in
            let outcome = await service.locally("release", "list")
            #expect(outcome.output == "NAME   BRANDS\n0.1.0   1,200\n0.2.0       3\n")
            #expect(service.asked.map(\.call) == ["GET /api/admin/releases"])
        }
    }

    @Test("the audit log is asked for by subject and actor, and shown with what was refused")
    func audit() async throws {
        let entry = AuditEntry(
            id: UUIDv7(high: 0x0198_0000_0000_7000, low: 0x8000_0000_0000_0009), at: Samples.moment,
            actor: "user 7", origin: "10.0.0.1", action: "DELETE /api/admin/brands/demo", subject: "demo",
            outcome: "409", operation: nil, requestId: "r-1", detail: "another operation holds it")
        try await TestService.run({ _, _ in try Reply(Page(items: [entry], nextCursor: "c")) }) { service in
            let outcome = await service.locally(
                "audit", "--subject", "demo", "--actor", "user 7", "--limit", "1")
            #expect(outcome.output.contains("user 7  10.0.0.1  DELETE /api/admin/brands/demo  demo     409"))
            #expect(outcome.output.contains("another operation holds it\n"))
            #expect(outcome.error == "There are more: add --cursor c\n")
            #expect(service.asked.map(\.query) == [["subject=demo", "actor=user%207", "limit=1"]])
        }
    }
}

/// What a service answers in these tests.
enum Samples {
    static let moment = Timestamp(microseconds: 1_700_000_000_000_000)

    static let plan = OperationPlan(
        kind: "brand.purge", subject: "demo",
        steps: [
            .init(name: "remember", isReversible: true, effects: []),
            .init(
                name: "dropSchema", isReversible: false,
                effects: [
                    .init(target: "brands database", action: "drop schema \"brand_demo\"\n    cascade"),
                    .init(target: "files", action: "remove instances/demo"),
                ]),
            .init(
                name: "tell", isReversible: false,
                effects: [.init(target: "redis", action: "ACL DELUSER brand-demo\u{1B}[2J")]),
        ])

    static func brand(_ status: BrandView.Status = .active, reason: String? = nil) throws -> BrandView {
        BrandView(
            id: BrandID(UUIDv7(high: 1, low: 2)), slug: try Slug("demo"), name: "Demo", domain: nil,
            industry: nil, country: "US", timeZone: "UTC", currency: "USD", plan: "free", status: status,
            statusReason: reason, instance: .init(state: "ready", generation: 1), onboardingCompleted: false,
            createdAt: moment, updatedAt: moment)
    }

    static func operation(
        _ state: OperationView.State = .running, steps: [OperationView.Step]? = nil
    ) -> OperationView {
        OperationView(
            id: OperationID(UUIDv7(high: 0x0198_0000_0000_7000, low: 0x8000_0000_0000_0002)),
            kind: "instance.upgrade", subject: "demo", state: state, step: "awaitReady",
            progress: .init(done: 2, total: 4, unit: "steps"), steps: steps,
            error: state == .stuck || state == .failed ? "it did not become ready" : nil,
            runbook: state == .stuck ? "runbooks/instance-stuck.md" : nil, requestedBy: "local",
            heldBy: "host 7", createdAt: moment, updatedAt: moment)
    }
}
