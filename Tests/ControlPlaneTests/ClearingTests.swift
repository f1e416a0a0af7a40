import Contract
import Foundation
import Kernel
import Testing

@testable import ControlPlane

@Suite("Clearing an installation of all data")
struct ClearingTests {
    private let path = "/api/admin/platform/clear"

    @Test("every brand goes, whatever it is, with all that it had; staff stays, and slugs are used up")
    func clears() async throws {
        try await TestPlane.with { test in
            let test = test.intended(for: .development)
            let slugs = [try await test.shop(), try await test.shop(), try await test.shop()]
            try await test.perform([.init(.post, "/suspend") { _ in ReasonBody(reason: "unpaid") }], slugs[1])
            try await test.perform([.init(.delete, "") { _ in BrandDeletion(graceDays: 30) }], slugs[2])
            let staff = try await test.login(.operator, email: "sre@example.com").accessToken
            let plan = try await test.call(
                .post, path + "?plan=true", PlatformClearing(confirm: "development"))
            #expect(try plan.decode(OperationPlan.self).steps[0].effects.count == 3)
            for round in 1... {
                try #require(round < 4)
                let view = try await test.call(.post, path, PlatformClearing(confirm: "development"))
                    .decode(ClearingView.self)
                #expect(view.left == [])
                if view.begun.isEmpty { break }
                for slug in view.begun {
                    let operation = try #require(try await test.operations(on: Slug(slug)).first)
                    #expect(try await test.settle(operation.id).state == .done)
                }
            }
            for slug in slugs { #expect(try await test.inventory(slug) == []) }
            #expect(try await test.call(.get, "/api/admin/brands", token: staff).status == 200)
            let again = try await test.call(.post, "/api/admin/brands", BrandDraft(slug: slugs[0].text))
            #expect(again.status == 409)
        }
    }

    @Test("a wrong name, another role and an installation for production are refused, and nothing goes")
    func refusals() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            let production = try await test.call(.post, path, PlatformClearing(confirm: "production"))
            #expect(production.status == 403)
            let staging = test.intended(for: .staging)
            let wrong = try await staging.call(.post, path, PlatformClearing(confirm: "development"))
            #expect(wrong.status == 400)
            #expect(try wrong.problem.field == "confirm")
            for role in [UserRole.operator, .brandOwner] {
                let brand = role == .brandOwner ? slug.text : nil
                let token = try await staging.login(
                    role, brand: brand, email: "\(role.rawValue)@example.com"
                ).accessToken
                let refused = try await staging.call(
                    .post, path, PlatformClearing(confirm: "staging"), token: token)
                #expect(refused.status == 403)
            }
            #expect(try await test.view(slug).status == .trial)
        }
    }
}

extension TestPlane {
    /// The same installation, if it were for something else.
    fileprivate func intended(for environment: InstallationEnvironment) -> TestPlane {
        var foundations = foundations
        foundations.places.environment = environment
        return with(foundations)
    }
}
