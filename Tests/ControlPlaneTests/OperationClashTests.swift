import Contract
import Foundation
import Kernel
import Testing
import Workflow

@testable import ControlPlane

@Suite("Operations that clash")
struct OperationClashTests {
    private static let suspend = Scenario.Call(.post, "/suspend") { _ in ReasonBody(reason: "unpaid") }

    @Test("of two provisions of one brand at once one is accepted, and the other is told that it is taken")
    func provisions() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
                for _ in 0..<2 {
                    group.addTask {
                        try await test.call(.post, "/api/admin/brands", BrandDraft(slug: slug.text))
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.map(\.status).sorted() == [202, 409])
            let refused = try #require(answers.first { $0.status == 409 })
            #expect(try refused.problem.field == "slug")
            let accepted = try #require(answers.first { $0.status == 202 }).decode(OperationView.self)
            #expect(try await test.settle(accepted.id).state == .done)
        }
    }

    @Test("a brand that is being provisioned can neither be deleted nor changed, and comes to be")
    func duringProvision() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            let point = "brand.provision.createSchema.afterEffect:\(slug)"
            Failpoint.arm(point, .halt)
            let id = try await test.request(slug)
            #expect(try await test.settle(id).state == .running)
            #expect(Failpoint.disarm(point) == 1)
            for call in [
                Scenario.Call(.delete, ""), OperationClashTests.suspend, .init(.post, "/instance/stop"),
            ] {
                let refused = try await test.send(call, slug)
                #expect(refused.status == 409)
                #expect(try refused.problem.detail.contains("still being provisioned"))
            }
            #expect(try await test.settle(id).state == .done)
        }
    }

    @Test("who wants a brand that an operation has is told which one, of whom, and what it does")
    func held() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            let id = try await test.begin(OperationClashTests.suspend, slug)
            let refused = try await test.send(Scenario.Call(.delete, ""), slug)
            #expect(refused.status == 409)
            let detail = try refused.problem.detail
            for word in ["brand.suspend", "\(id)", "pending", "local"] { #expect(detail.contains(word)) }
            #expect(try await test.settle(id).state == .done)
        }
    }

    @Test("an operation that is taken back between two daemons leaves everything as before")
    func unwound() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            let before = try await test.inventory(of: [slug])
            for step in ["change", "project"] {
                let point = "brand.suspend.\(step).afterEffect:\(slug)"
                Failpoint.arm(point, .halt)
                let id = try await test.begin(OperationClashTests.suspend, slug)
                #expect(try await test.settle(id).state == .running)
                #expect(Failpoint.disarm(point) == 1)
                let path = "/api/admin/operations/\(id)/unwind"
                #expect(try await test.call(.post, path).status == 200)
                #expect(try await test.call(.post, path).status == 409, "it is being taken back already")
                #expect(try await test.settle(id).state == .failed)
                #expect(try await test.inventory(of: [slug]).difference(from: before) == [])
            }
        }
    }

    @Test("a clock that jumps in mid-operation changes nothing of what it does", arguments: [-400, 400])
    func clock(days: Int) async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            let point = "brand.delete.change.afterEffect:\(slug)"
            Failpoint.arm(point, .halt)
            let asked = test.clock.now()
            let id = try await test.begin(
                Scenario.Call(.delete, "") { _ in BrandDeletion(graceDays: 30) }, slug)
            #expect(try await test.settle(id).state == .running)
            #expect(Failpoint.disarm(point) == 1)
            test.clock.advance(by: .seconds(days * 86_400))
            #expect(try await test.settle(id).state == .done)
            let grace = try #require(try await test.view(slug).purgeAfter) - asked
            #expect(grace >= .seconds(30 * 86_400) && grace < .seconds(31 * 86_400))
        }
    }
}
