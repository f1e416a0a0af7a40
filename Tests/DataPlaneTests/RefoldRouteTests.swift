import Contract
import Kernel
import Sealing
import TestSupport
import Testing

@testable import DataPlane
@testable import Events

@Suite("Re-folds that are asked for")
struct RefoldRouteTests {
    private let path = "/api/identity/refold"

    private func token(_ instance: TestInstance, _ role: String) throws -> String {
        let now = SystemWallClock().now()
        return try instance.signer.sign(
            TokenClaims(
                sub: UUIDv7(at: now).description, aud: "brand:\(instance.brand.slug)", role: role, iat: now,
                lifetime: .seconds(300)))
    }

    /// Asks for a re-fold, and gives it when it has ended.
    private func refold(_ instance: TestInstance, apply: Bool) async throws -> OperationView {
        let document = try OpenAPIDocument(of: "DataPlane")
        let answer = try await instance.post(
            path, #"{"apply": \#(apply)}"#, key: token(instance, apply ? "operator" : "admin"))
        #expect(answer.status == 202, "\(answer.text)")
        #expect(try document.faults(in: answer.body, of: "POST \(path)", status: 202) == [])
        let id = try answer.json(OperationView.self).id
        try await eventually("the re-fold ends") {
            try await instance.get("/api/operations/\(id)", as: OperationView.self).state.isFinal
        }
        let shown = try await instance.call("GET", "/api/operations/\(id)")
        #expect(
            try document.faults(in: shown.body, of: "GET /api/operations/{id}", status: 200) == [],
            "\(shown.text)")
        return try shown.json(OperationView.self)
    }

    @Test("a plan finds, an apply puts right, and the next plan finds nothing, with an instance's own rights")
    func whole() async throws {
        try await TestInstance.serving { instance in
            try await instance.brand.fillForRefold()
            let healthy = try await refold(instance, apply: false)
            #expect(healthy.state == .done && healthy.result?.differences == [], "\(healthy)")
            #expect(healthy.kind == "identity.refold" && healthy.counts == ["differences": 0])
            #expect(healthy.progress == .init(done: 15, total: 15, unit: "events"))
            for tampering in [
                "update customer_profile set lifetime_value = 0 where total_orders = 1",
                "delete from identifier_event", "update customer_raw_event set placed_on = null",
            ] {
                let rows = try await instance.brand.database.run(.init(raw: tampering)).affected
                #expect(rows > 0)
                let plan = try await refold(instance, apply: false)
                #expect(plan.result?.applied == false && plan.result?.differences.count == 1, "\(plan)")
                #expect(plan.counts == ["differences": plan.result?.differences.first?.count ?? 0])
                let applied = try await refold(instance, apply: true)
                #expect(applied.state == .done && applied.result?.applied == true, "\(applied)")
                #expect(applied.result?.differences == plan.result?.differences)
                #expect(try await refold(instance, apply: false).result?.differences == [])
            }
        }
    }

    @Test("events are accepted while a re-fold holds the lease, and committed after it")
    func meanwhile() async throws {
        try await TestInstance.serving { instance in
            let event = #"{"type": "identify", "identifiers": {"email": "a@b.com"}}"#
            try await instance.brand.holdingLease {
                let answer = try await instance.post(
                    path, #"{"apply": true}"#, key: token(instance, "admin"))
                #expect(answer.status == 202)
                #expect(try await instance.post("/api/events", event).status == 202)
                try await instance.post(path, #"{"apply": false}"#, key: token(instance, "admin"))
                    .expectProblem(409, .conflict, nil, "open already")
                #expect(try await instance.stats().events == 0)
            }
            try await instance.drained()
            #expect(try await instance.stats().events == 1)
            try await eventually("the re-fold has ended") {
                try await instance.get("/api/operations", as: Page<OperationView>.self).items
                    .allSatisfy(\.state.isFinal)
            }
            #expect(try await refold(instance, apply: false).result?.differences == [])
        }
    }

    @Test("it takes the token of an admin or an operator, and says which field is wrong")
    func refused() async throws {
        try await TestInstance.serving { instance in
            let wanted = #"{"apply": false}"#
            try await instance.post(path, wanted).expectProblem(403, .forbidden, nil, "admin or an operator")
            for role in ["brand_owner", "brand_user"] {
                try await instance.post(path, wanted, key: token(instance, role))
                    .expectProblem(403, .forbidden, nil, "admin or an operator")
            }
            let admin = try token(instance, "admin")
            try await instance.post(path, "{}", key: admin).expectProblem(400, .invalid, "apply")
            try await instance.post(path, #"{"apply": 1}"#, key: admin).expectProblem(400, .invalid, "apply")
            #expect(try await instance.get("/api/operations", as: Page<OperationView>.self).items.isEmpty)
        }
    }

    @Test(
        "a re-fold whose process was killed has failed, one that is being done has not, and the next is done")
    func killed() async throws {
        try await TestBrand.with { brand in
            let store = RefoldOperationStore(database: brand.database)
            func begun(at instant: Timestamp) async throws -> OperationID {
                let id = OperationID(at: instant)
                let isNew = try await store.create(
                    .init(
                        id: id, kind: Refolds.kind, subject: "x",
                        input: .init(encoding: RefoldRequest(apply: true)), createdAt: instant))
                #expect(isNew)
                #expect(try await store.begin(id))
                #expect(try await !store.begin(id))
                try await brand.database.run(
                    "update operation set updated_at = now() - interval '1 minute' where id = \(id)")
                return id
            }
            let operations = OperationStore(database: brand.database)
            let first = try await begun(at: SystemWallClock().now())
            try await brand.database.transaction { transaction in
                #expect(try await store.hold(first, in: transaction))
                try await operations.advance(first, to: .init(done: 1, total: 2, unit: "events"), counts: [:])
                try await brand.database.run(
                    "update operation set updated_at = now() - interval '1 minute' where id = \(first)")
                #expect(try await store.failAbandoned("gone") == 0)
            }
            let refolds = Refolds(
                database: brand.database, writer: brand.writerDatabase,
                settings: { [settings = brand.settings] in settings }, clock: SystemWallClock(),
                logger: .init(label: "test"))
            try await refolds.performOpen()
            let failed = try #require(try await operations.show(first))
            #expect(failed.state == .failed && failed.error == Refolds.abandoned)
            let next = try await refolds.request(.init(apply: true), brand: brand.slug, doing: "test")
            try await refolds.performOpen()
            let done = try #require(try await operations.show(next.id))
            #expect(done.state == .done && done.result?.differences == [], "\(done)")
        }
    }

    @Test("a re-fold that cannot be done says why, and changes nothing")
    func failed() async throws {
        try await TestBrand.with { brand in
            try await brand.fillForRefold()
            try await brand.database.run("update customer_profile set lifetime_value = 0")
            try await brand.database.run("update writer_lease set generation = 2")
            let before = try await brand.stored()
            let refolds = Refolds(
                database: brand.database, writer: brand.writerDatabase,
                settings: { [settings = brand.settings] in settings }, clock: SystemWallClock(),
                logger: .init(label: "test"))
            let asked = try await refolds.request(.init(apply: true), brand: brand.slug, doing: "test")
            try await refolds.performOpen()
            let shown = try await OperationStore(database: brand.database).show(asked.id)
            #expect(shown?.state == .failed && shown?.error?.contains("may no longer write") == true)
            #expect(try await brand.stored() == before)
        }
    }
}
