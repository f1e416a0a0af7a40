import Contract
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Kernel
import NIOCore
import Postgres
import Sealing
import Testing
import TestSupport
import Web

@testable import ControlPlane

@Suite("Idempotency-Key", .timeLimit(.minutes(5)))
struct IdempotencyTests {
    private let brands = "/api/admin/brands"

    @Test("a repeated request gets the same answer again: status, place and body")
    func replays() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            let draft = BrandDraft(slug: slug.text, name: "Acme")
            let first = try await test.call(.post, brands, draft, headers: [.idempotencyKey: "b"])
            try await test.settle(first.decode(OperationView.self).id)
            let again = try await test.send(
                .post, brands, text: #"{ "slug":"\#(slug)", "name" : "Acme"}"#,
                headers: [.idempotencyKey: "b"])
            #expect((first.status, again.status) == (202, 202))
            #expect(first.headers[.location] != nil && again.headers[.location] == first.headers[.location])
            #expect(first.headers[.idempotencyReplayed] == nil)
            #expect(again.headers[.idempotencyReplayed] == "true")
            #expect(again.body == first.body)
            let keys = "\(brands)/\(slug)/keys"
            let made = try await test.call(.post, keys, KeyDraft(name: "k"), headers: [.idempotencyKey: "k"])
                .decode(KeyCreated.self)
            let repeated = try await test.call(
                .post, keys, KeyDraft(name: "k"), headers: [.idempotencyKey: "k"])
            #expect(repeated.status == 201)
            #expect(try repeated.decode(KeyCreated.self).view.publicId == made.view.publicId)
            for replayed in [nil, "true"] {
                let revoked = try await test.call(
                    .delete, "\(keys)/\(made.view.publicId)", headers: [.idempotencyKey: "r"])
                #expect(revoked.status == 204 && revoked.body.isEmpty)
                #expect(revoked.headers[.idempotencyReplayed] == replayed)
            }
        }
    }

    @Test(
        "another body, path, query or method under a used key is refused, and another caller's key is another"
    )
    func others() async throws {
        try await TestPlane.with { test in
            let (slug, other) = (try TestPlane.slug(), try TestPlane.slug())
            try await test.provision(slug)
            try await test.provision(other)
            let key: HTTPFields = [.idempotencyKey: "k"]
            let keys = "\(brands)/\(slug)/keys"
            let made = try await test.call(.post, keys, KeyDraft(name: "k"), headers: key)
                .decode(KeyCreated.self)
            let refused = [
                try await test.call(.post, keys, KeyDraft(name: "other"), headers: key),
                try await test.call(.post, "\(brands)/\(other)/keys", KeyDraft(name: "k"), headers: key),
                try await test.call(.post, "\(keys)?x=1", KeyDraft(name: "k"), headers: key),
                try await test.call(.delete, "\(keys)/\(made.view.publicId)", headers: key),
                try await test.call(
                    .post, "/api/admin/users", UserDraft(email: "a@b.example", role: .admin), headers: key),
            ]
            for answer in refused {
                #expect(answer.status == 409)
                #expect(try answer.problem.field == "Idempotency-Key")
                #expect(try answer.problem.detail.contains("used for another request"))
            }
            #expect(try await test.projectedKeys(slug).map(\.isRevoked) == [false])
            let token = try await test.login(.admin).accessToken
            let theirs = try await test.call(.post, keys, KeyDraft(name: "k"), token: token, headers: key)
            #expect(theirs.status == 201 && theirs.headers[.idempotencyReplayed] == nil)
        }
    }

    @Test("of two requests at once one works, the other waits for it, and both get its answer")
    func atOnce() async throws {
        try await TestPlane.with { test in
            let draft = BrandDraft(slug: try TestPlane.slug().text)
            let answers = try await test.holding("brand") { holder in
                async let left = test.call(.post, brands, draft, headers: [.idempotencyKey: "k"])
                async let right = test.call(.post, brands, draft, headers: [.idempotencyKey: "k"])
                try await test.eventuallyWaiting(2)
                try await holder.run("rollback")
                return try await [left, right]
            }
            #expect(answers.map(\.status) == [202, 202])
            #expect(answers[0].body == answers[1].body)
            #expect(answers[0].headers[.location] == answers[1].headers[.location])
            #expect(answers.compactMap { $0.headers[.idempotencyReplayed] } == ["true"])
            let count = try await test.foundations.control.run("select count(*) from operation")
            #expect(try count[0].decode(Int64.self) == 1)
        }
    }

    @Test("who has waited too long for another under the same key is told so, and may ask again")
    func waitsTooLong() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            let plane = ChangingPlane(test, patience: .milliseconds(50))
            let answers = try await test.holding("brand") { holder in
                async let first = plane.post(slug, key: "k")
                try await test.eventuallyWaiting(1)
                let second = try await plane.post(slug, key: "k")
                try await holder.run("rollback")
                return [try await first, second]
            }
            #expect(answers.map(\.status) == [202, 409])
            #expect(try answers[1].problem.detail.contains("still being worked on"))
            #expect(answers[1].headers[.retryAfter] == "1")
            let again = try await plane.post(slug, key: "k")
            #expect(again.status == 202 && again.body == answers[0].body)
        }
    }

    @Test("a request that was refused is not remembered, so that it can be corrected under its key")
    func refused() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let keys = "\(brands)/\(slug)/keys"
            let key: HTTPFields = [.idempotencyKey: "k"]
            #expect(try await test.call(.post, keys, KeyDraft(name: ""), headers: key).status == 400)
            let missing = try await test.call(.delete, "\(keys)/unknown", headers: key)
            #expect(missing.status == 404)
            var made: [KeyCreated] = []
            for name in ["a", "b"] {
                made.append(try await test.call(.post, keys, KeyDraft(name: name)).decode(KeyCreated.self))
            }
            #expect(try await test.call(.post, keys, KeyDraft(name: "c"), headers: key).status == 429)
            _ = try await test.call(.delete, "\(keys)/\(made[0].view.publicId)")
            let last = try await test.call(.post, keys, KeyDraft(name: "c"), headers: key)
            #expect(last.status == 201 && last.headers[.idempotencyReplayed] == nil)
        }
    }

    @Test("nothing that is secret is stored, nor a hash by which it could be guessed")
    func secrets() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let key = try await test.call(
                .post, "\(brands)/\(slug)/keys", KeyDraft(name: "k"), headers: [.idempotencyKey: "k"]
            ).decode(KeyCreated.self)
            let chosen = #"{"email":"a@b.example","password":"correct horse battery","role":"admin"}"#
            for text in [chosen, #"{"email":"c@d.example","role":"admin"}"#] {
                let made = try await test.send(
                    .post, "/api/admin/users", text: text, headers: [.idempotencyKey: "u\(text.count)"])
                #expect(made.status == 201)
                let minted = try made.decode(UserCreated.self).password
                let stored = try await test.remembered()
                #expect(!stored.contains("correct horse") && minted.map(stored.contains) != true)
            }
            let stored = try await test.remembered()
            #expect(stored.contains(key.view.publicId) && !stored.contains(key.key.suffix(30)))
            let guess = SHA256.hash("POST /api/admin/users?\n\(chosen)".utf8)
            let found = try await test.foundations.control.run(
                "select count(*), count(*) filter (where request_hash = \(guess)) from idempotency_key")
            let (all, guessed) = try found[0].decode((Int64, Int64).self)
            #expect(all == 3 && guessed == 0)
        }
    }

    @Test("an answer is remembered for a day, and then forgotten")
    func forgotten() async throws {
        try await TestPlane.with { test in
            let user = UserDraft(email: "a@b.example", role: .admin)
            let key: HTTPFields = [.idempotencyKey: "k"]
            let store = IdempotencyStore(
                pool: test.foundations.control, clock: test.clock,
                hashKey: test.foundations.keys.requestHashKey)
            _ = try await test.call(.post, "/api/admin/users", user, headers: key)
            test.clock.advance(by: IdempotencyStore.lifetime - .seconds(60))
            try await store.purge()
            #expect(try await test.call(.post, "/api/admin/users", user, headers: key).status == 201)
            test.clock.advance(by: .seconds(61))
            #expect(try await test.call(.post, "/api/admin/users", user, headers: key).status == 409)
            #expect(try await test.remembered() != "")
            try await store.purge()
            #expect(try await test.remembered() == "")
        }
    }

    @Test("a crash in between leaves neither the change nor the key, so that the request can be repeated")
    func crashes() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            let draft = BrandDraft(slug: slug.text)
            let broken = try await test.holding("operation") { holder in
                async let answer = test.call(.post, brands, draft, headers: [.idempotencyKey: "k"])
                try await test.eventuallyWaiting(1)
                // The brand is inserted by now, and its operation is not.
                try await holder.run(
                    """
                    select pg_terminate_backend(pid) from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock'
                    """)
                return try await answer
            }
            #expect(broken.status == 503)
            #expect(try await test.remembered() == "")
            #expect(try await test.call(.get, "\(brands)/\(slug)").status == 404)
            let again = try await test.call(.post, brands, draft, headers: [.idempotencyKey: "k"])
            #expect(again.status == 202 && again.headers[.idempotencyReplayed] == nil)
        }
    }

    @Test("a plan is recorded as one, does nothing, and takes no key; a key that is used is refused for it")
    func plans() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            let plane = ChangingPlane(test)
            let before = try await test.call(.get, brands).body
            for _ in 0..<2 {
                let planned = try await plane.post(slug, key: "k", query: "?plan=true")
                #expect(planned.status == 200)
                #expect(try planned.decode(OperationPlan.self).subject == slug.text)
                #expect(try await test.audit().first?.action == "POST /api/admin/changes?plan=true")
            }
            #expect(try await test.call(.get, brands).body == before)
            #expect(try await plane.post(slug, key: "k").status == 202)
            let late = try await plane.post(slug, key: "k", query: "?plan=true")
            #expect(late.status == 409)
            #expect(try late.problem.field == "Idempotency-Key")
            let odd = try await plane.post(slug, key: "o", query: "?plan=yes")
            #expect(odd.status == 400)
            #expect(try odd.problem.field == "plan")
            let single = try await test.call(
                .post, "\(brands)/\(slug)/keys?plan=true", KeyDraft(name: "k"))
            #expect(single.status == 409 || single.status == 400)
        }
    }
}

/// A control plane with one route that is made as new routes are: a change that is an operation.
private struct ChangingPlane: Sendable {
    private let test: TestPlane
    private let patience: Duration

    init(_ test: TestPlane, patience: Duration = .seconds(5)) {
        self.test = test
        self.patience = patience
    }

    private var router: WebRouter {
        let foundations = test.foundations
        let brands = BrandStore(pool: foundations.control, clock: test.clock)
        let changes = Changes(
            idempotency: IdempotencyStore(
                pool: foundations.control, clock: test.clock, hashKey: foundations.keys.requestHashKey,
                patience: patience), executor: test.plane.executor)
        let router = WebRouter(context: WebContext.self)
        let faults = FaultMiddleware(clock: test.clock, logger: TestPlane.silent)
        router.add(middleware: faults)
        let audit = Audit(
            store: AuditStore(pool: foundations.control), clock: test.clock, logger: TestPlane.silent)
        router.group("api/admin").add(middleware: AuthenticationMiddleware(authentication: .local))
            .add(middleware: AuditMiddleware(audit: audit, authentication: .local, faults: faults))
            .post("changes") { request, context in
                let change = try await request.change(
                    BrandDraft.self, context, .changeBrands, doing: BrandSpecification.doing)
                let brand = try BrandSpecification(change.body)
                return try await changes.operation(change) {
                    OperationPlan(kind: "brand.provision", subject: brand.slug.text, steps: [])
                } begin: { transaction in
                    let now = test.clock.now()
                    let id = BrandID(at: now)
                    try await brands.insert(brand, id: id, in: transaction)
                    return OperationView(
                        id: OperationID(id.uuid), kind: "brand.provision", subject: brand.slug.text,
                        state: .pending, createdAt: now, updatedAt: now)
                }
            }
        return router
    }

    func post(_ slug: Slug, key: String, query: String = "") async throws -> Answer {
        try await Application(router: router).test(.router) { client in
            try await client.execute(
                uri: "/api/admin/changes\(query)", method: .post, headers: [.idempotencyKey: key],
                body: ByteBuffer(string: #"{"slug":"\#(slug)"}"#)
            ) { response in
                Answer(
                    status: response.status.code, headers: response.headers,
                    body: Data(response.body.readableBytesView))
            }
        }
    }
}

extension TestPlane {
    /// Runs `body` while nobody can write to `table`; `body` may roll the holder back before its end.
    fileprivate func holding<T: Sendable>(
        _ table: String, _ body: (PostgresConnection) async throws -> T
    ) async throws -> T {
        try await asOwner { holder in
            try await holder.run("begin")
            try await holder.run("lock table \(identifier: table) in share mode")
            return try await body(holder)
        }
    }

    /// Waits until so many sessions of the control database wait for a lock.
    fileprivate func eventuallyWaiting(_ count: Int64) async throws {
        try await asOwner { observer in
            for _ in 0..<2000 {
                let waiting = try await observer.run(
                    """
                    select count(*) from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock'
                    """)
                if try waiting[0].decode(Int64.self) == count { return }
                try await Task.sleep(for: .milliseconds(5))
            }
            Issue.record("never did \(count) sessions wait for a lock")
        }
    }

    /// All that is remembered of requests, as text.
    fileprivate func remembered() async throws -> String {
        try await foundations.control.run("select key || answer::text from idempotency_key order by key")
            .map { try $0.decode(0, as: String.self) }.joined(separator: "\n")
    }
}
