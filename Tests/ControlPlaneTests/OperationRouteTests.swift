import Contract
import Foundation
import HTTPTypes
import Kernel
import Testing
import Workflow

@testable import ControlPlane

/// `/api/admin/operations`, over a real journal.
@Suite("The operations' routes")
struct OperationRouteTests {
    private static let path = "/api/admin/operations"

    /// Puts an operation into a state that only an undo which fails for good leads to.
    private func getStuck(_ id: OperationID, _ plane: TestPlane) async throws {
        let changed = try await plane.foundations.control.run(
            "update operation set state = 'stuck', is_unwinding = true where id = \(id.uuid)")
        #expect(changed.affected == 1)
    }

    private func key(_ text: String) -> HTTPFields { [.init("Idempotency-Key")!: text] }

    @Test("an operation is shown with its steps, and listed without them, by state too")
    func shown() async throws {
        try await TestPlane.with { plane in
            let (done, waiting) = (try TestPlane.slug(), try TestPlane.slug())
            let first = try await plane.provision(done)
            let second = try await plane.request(waiting)
            let steps = try #require(first.steps)
            #expect(steps.count == plane.plane.provisioning.steps.count)
            #expect(steps.allSatisfy { $0.state == .done && $0.attempts > 0 && $0.error == nil })
            #expect(first.requestedBy == "local")
            for (state, ids) in [("done", [first.id]), ("pending", [second]), ("stuck", [])] {
                let page = try await plane.call(.get, "\(Self.path)?state=\(state)")
                    .decode(Page<OperationView>.self)
                #expect(page.items.map(\.id) == ids)
                #expect(page.items.allSatisfy { $0.steps == nil })
            }
            let page = try await plane.call(.get, "\(Self.path)?state=done&subject=\(waiting)")
            #expect(try page.decode(Page<OperationView>.self).items.isEmpty)
            let odd = try await plane.call(.get, "\(Self.path)?state=odd")
            #expect(try (odd.status, odd.problem.field) == (400, "state"))
        }
    }

    @Test("one that waits is taken back on request, and one that ended is not")
    func unwound() async throws {
        try await TestPlane.with { plane in
            let slug = try TestPlane.slug()
            let id = try await plane.request(slug)
            let answer = try await plane.call(.post, "\(Self.path)/\(id)/unwind")
            #expect(try (answer.status, answer.decode(OperationView.self).state) == (200, .unwinding))
            #expect(try await plane.settle(id).state == .failed)
            #expect(try await plane.call(.get, "/api/admin/brands/\(slug)").status == 404)
            for verb in ["unwind", "retry"] {
                let late = try await plane.call(.post, "\(Self.path)/\(id)/\(verb)")
                #expect(try (late.status, late.problem.code) == (409, "conflict"))
            }
        }
    }

    @Test("a stuck one goes on in its direction, once for a key")
    func retried() async throws {
        try await TestPlane.with { plane in
            let id = try await plane.request(TestPlane.slug())
            try await getStuck(id, plane)
            let path = "\(Self.path)/\(id)/retry"
            let first = try await plane.call(.post, path, headers: key("k"))
            #expect(try (first.status, first.decode(OperationView.self).state) == (200, .unwinding))
            let again = try await plane.call(.post, path, headers: key("k"))
            #expect(again.status == 200)
            #expect(again.headers[.idempotencyReplayed] == "true")
            #expect(
                try again.decode(OperationView.self).updatedAt == first.decode(OperationView.self).updatedAt)
            let other = try await plane.call(.post, path, headers: key("l"))
            #expect(other.status == 409)
            #expect(try await plane.settle(id).state == .failed)
        }
    }

    @Test("steering is for admins and operators, needs an operation, and has no plan")
    func refused() async throws {
        try await TestPlane.with { plane in
            let slug = try TestPlane.slug()
            let id = try await plane.provision(slug).id
            let owner = try await plane.login(.brandOwner, brand: slug.text)
            let sre = try await plane.login(.operator, email: "sre@example.com")
            for verb in ["retry", "unwind"] {
                let path = "\(Self.path)/\(id)/\(verb)"
                #expect(try await plane.call(.post, path, token: owner.accessToken).status == 403)
                #expect(try await plane.call(.post, path, token: "").status == 401)
                #expect(try await plane.call(.post, path, token: sre.accessToken).status == 409)
                #expect(
                    try await plane.call(.post, "\(Self.path)/\(UUIDv7(high: 1, low: 2))/\(verb)").status
                        == 404)
                #expect(try await plane.call(.post, "\(Self.path)/x/\(verb)").status == 404)
                let plan = try await plane.call(.post, "\(path)?plan=true")
                #expect(try (plan.status, plan.problem.field) == (400, "plan"))
            }
        }
    }

    @Test("a follower hears of every step and of the end, however fast they come")
    func followed() async throws {
        try await TestPlane.with { plane in
            let id = try await plane.request(TestPlane.slug())
            async let stream = plane.call(.get, "\(Self.path)/\(id)/events")
            let ended = try await plane.settle(id)
            let views = try await String(decoding: stream.body, as: UTF8.self)
                .split(separator: "\n").filter { $0.hasPrefix("data: ") }
                .map { try JSONDecoder().decode(OperationView.self, from: Data($0.dropFirst(6).utf8)) }
            #expect(views.last?.state == .done)
            #expect(views.count { $0.state.isFinal } == 1)
            #expect(views.last?.steps == ended.steps)
            #expect(views.last?.steps?.allSatisfy { $0.state == .done } == true)
        }
    }
}
