import Contract
import Foundation
import Kernel
import Testing
import Workflow

@testable import ControlPlane

@Suite("A brand's life")
struct LifecycleTests {
    @Test("a suspended brand is so in its schema, with the reason, and runs on; resumed it is what it was")
    func suspends() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            let before = try await test.inventory(of: [slug])
            try await test.perform(
                [Scenario.Call(.post, "/suspend") { _ in ReasonBody(reason: "unpaid") }], slug)
            let brand = try await test.view(slug)
            #expect(brand.status == .suspended)
            #expect(brand.statusReason == "unpaid")
            #expect(brand.instance.state == "ready")
            #expect(try await test.projectedStatus(slug) == "suspended")
            let again = try await test.call(
                .post, "/api/admin/brands/\(slug)/suspend", ReasonBody(reason: "unpaid"))
            #expect(again.status == 409)
            try await test.perform([Scenario.Call(.post, "/resume")], slug)
            #expect(try await test.inventory(of: [slug]).difference(from: before) == [])
            #expect(try await test.call(.post, "/api/admin/brands/\(slug)/resume").status == 409)
        }
    }

    @Test("what a change does not name stays, and an empty text takes a field away")
    func updates() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            func change(_ change: BrandChange) -> [Scenario.Call] { [.init(.patch, "") { _ in change }] }
            try await test.perform(change(BrandChange(name: "Acme & Co", industry: "footwear")), slug)
            try await test.perform(change(BrandChange(domain: "Shop.Example.com")), slug)
            var brand = try await test.view(slug)
            #expect(brand.name == "Acme & Co")
            #expect(brand.industry == "footwear")
            #expect(brand.domain == "shop.example.com")
            try await test.perform(change(BrandChange(industry: "", timeZone: "Asia/Kolkata")), slug)
            brand = try await test.view(slug)
            #expect(brand.industry == nil)
            #expect(brand.timeZone == "Asia/Kolkata")
            let settings = try await test.foundations.brands.run(
                "select settings->>'timeZone' from \(identifier: slug.schemaName).brand_state")
            #expect(try settings[0].decode(0, as: String.self) == "Asia/Kolkata")
            let path = "/api/admin/brands/\(slug)"
            for (body, field) in [
                (#"{"timeZone": "Mars/Base"}"#, "timeZone"), (#"{"name": " "}"#, "name"),
                (#"{"slug": "other"}"#, "slug"), (#"{"currency": "XYZ"}"#, "currency"),
            ] {
                let refused = try await test.send(.patch, path, text: body)
                #expect(refused.status == 400)
                #expect(try refused.problem.field == field)
            }
            #expect(try await test.send(.patch, path, text: "{}").status == 400)
        }
    }

    @Test("a plan brings its status and its connections, and the instance is told")
    func changesPlan() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            try await test.perform([Scenario.Call(.post, "/plan") { _ in PlanChange(plan: "pro") }], slug)
            let brand = try await test.view(slug)
            #expect(brand.plan == "pro")
            #expect(brand.status == .active)
            let limit = try await test.foundations.brands.run(
                "select rolconnlimit from pg_roles where rolname = \(slug.runtimeRole)")
            #expect(try limit[0].decode(0, as: Int32.self) == 6)
            let path = "/api/admin/brands/\(slug)/plan"
            #expect(try await test.call(.post, path, PlanChange(plan: "pro")).status == 409)
            let unknown = try await test.call(.post, path, PlanChange(plan: "golden"))
            #expect(unknown.status == 400)
            #expect(try unknown.problem.field == "plan")
        }
    }

    @Test("a deleted brand is not served and keeps everything; undeleted it has all again, keys included")
    func deletes() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            let passwords = try await test.passwords(of: slug)
            let before = try await test.inventory(of: [slug])
            try await test.perform([Scenario.Call(.delete, "")], slug)
            let brand = try await test.view(slug)
            #expect(brand.status == .deleted)
            let days = try #require(brand.purgeAfter) - test.clock.now()
            #expect(days > .seconds(29 * 86_400) && days <= .seconds(30 * 86_400))
            #expect(await test.supervisor.status(slug.unitName) == nil)
            #expect(!FileManager.default.fileExists(atPath: test.foundations.layout.marker(slug)))
            for refused in ["/suspend", "/instance/start", "/instance/restart"] {
                let body = refused == "/suspend" ? ReasonBody(reason: "unpaid") : nil
                let answer = try await test.call(.post, "/api/admin/brands/\(slug)\(refused)", body)
                #expect(answer.status == 409, "\(refused)")
            }
            try await test.plane.lifecycle.purgeDue(logger: TestPlane.silent)
            try await test.perform([Scenario.Call(.post, "/undelete")], slug)
            #expect(try await test.inventory(of: [slug]).difference(from: before) == [])
            #expect(try await test.passwords(of: slug) == passwords)
            await (try test.connect(as: slug)).close()
        }
    }

    @Test("after the grace period only the slug is left, and nobody can have it")
    func purges() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            let early = try await test.call(
                .post, "/api/admin/brands/\(slug)/purge", BrandPurge(confirm: slug.text))
            #expect(early.status == 409, "what is not deleted is not purged")
            try await test.perform([.init(.delete, "") { _ in BrandDeletion(graceDays: 2) }], slug)
            let mistyped = try await test.call(
                .post, "/api/admin/brands/\(slug)/purge", BrandPurge(confirm: "other"))
            #expect(try mistyped.problem.field == "confirm")
            test.clock.advance(by: .seconds(2 * 86_400 - 60))
            try await test.plane.lifecycle.purgeDue(logger: TestPlane.silent)
            #expect(try await test.view(slug).status == .deleted)
            test.clock.advance(by: .seconds(120))
            try await test.plane.lifecycle.purgeDue(logger: TestPlane.silent)
            let purge = try #require(try await test.operations(on: slug).first)
            #expect(purge.kind == "brand.purge")
            #expect(purge.requestedBy == "constinteld")
            #expect(try await test.settle(purge.id).state == .done)
            let left = try await test.inventory(of: [slug])
            #expect(left.lines == [#"retired_slug {"slug": "SLUG", "brand_id": "ID"}"#])
            #expect(try await test.operations(on: slug).map(\.kind) == ["brand.purge"])
            let again = try await test.call(.post, "/api/admin/brands", BrandDraft(slug: slug.text))
            #expect(again.status == 409)
            #expect(try again.problem.field == "slug")
        }
    }

    @Test("a release serves one brand until it is rolled back, and one that never serves is taken back")
    func upgrades() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            try test.install(release: "2.0")
            try test.install(release: "broken", isBroken: true)
            let path = "/api/admin/brands/\(slug)/instance"
            let unknown = try await test.call(.post, "\(path)/upgrade", ReleaseChange(release: "3.0"))
            #expect(unknown.status == 400)
            #expect(try unknown.problem.detail.contains("2.0") == true)
            #expect(try await test.call(.post, "\(path)/rollback").status == 409)
            let upgrade = Scenario.Call(.post, "/instance/upgrade") { _ in ReleaseChange(release: "2.0") }
            try await test.perform([upgrade], slug)
            let upgraded = try await test.inventory(of: [slug])
            #expect(try await test.view(slug).instance.release == "2.0")
            #expect(upgraded.lines.contains { $0.hasPrefix("unit") && $0.contains("releases/2.0/") })
            let releases = try await test.call(.get, "/api/admin/releases").decode(Page<ReleaseView>.self)
            #expect(releases.items.contains(ReleaseView(name: "2.0", brands: 1)))
            let broken = try await test.settle(
                test.begin(.init(.post, "/instance/upgrade") { _ in ReleaseChange(release: "broken") }, slug))
            #expect(broken.state == .failed)
            #expect(try await test.inventory(of: [slug]).difference(from: upgraded) == [])
            try await test.perform([Scenario.Call(.post, "/instance/rollback")], slug)
            #expect(try await test.view(slug).instance.release == nil)
            #expect(try await test.view(slug).instance.previousRelease == "2.0")
        }
    }

    @Test("a plan of any change shows its steps and changes nothing", arguments: Scenario.all)
    func plans(_ scenario: Scenario) async throws {
        try await TestPlane.with { test in
            try test.install(release: "2.0")
            let slug = try await test.brand(for: scenario)
            let before = try await test.inventory(of: [slug])
            let operations = try await test.operations(on: slug).count
            let answer = try await test.send(scenario.request, slug, query: "?plan=true")
            #expect(answer.status == 200)
            let plan = try answer.decode(OperationPlan.self)
            #expect(plan.kind == scenario.kind)
            #expect(plan.steps.contains { !$0.effects.isEmpty })
            let text = String(decoding: answer.body, as: UTF8.self)
            #expect(!text.contains("SCRAM-SHA-256"), "no secret is shown")
            #expect(try await test.inventory(of: [slug]).difference(from: before) == [])
            #expect(try await test.operations(on: slug).count == operations)
        }
    }
}

extension TestPlane {
    /// A provisioned brand with a key.
    func shop() async throws -> Slug {
        let slug = try TestPlane.slug()
        try await provision(slug)
        _ = try await call(.post, "/api/admin/brands/\(slug)/keys", KeyDraft(name: "shop"))
        return slug
    }

    func view(_ slug: Slug) async throws -> BrandView {
        try await call(.get, "/api/admin/brands/\(slug)").decode(BrandView.self)
    }

    /// The operations on a brand, newest first.
    func operations(on slug: Slug) async throws -> [OperationView] {
        try await call(.get, "/api/admin/operations?subject=\(slug)").decode(Page<OperationView>.self).items
    }

    /// The status that the brand's schema has.
    func projectedStatus(_ slug: Slug) async throws -> String {
        try await foundations.brands.run("select status from \(identifier: slug.schemaName).brand_state")[0]
            .decode(0, as: String.self)
    }
}
