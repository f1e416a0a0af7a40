import Contract
import Foundation
import Kernel
import Postgres
import Testing

@testable import ControlPlane

@Suite("A brand's settings")
struct SettingsTests {
    @Test(
        "a wrong value is refused by its field, and nothing is begun",
        arguments: [
            (#"{"domain": "a..com"}"#, "domain"), (#"{"industry": "alchemy"}"#, "industry"),
            (#"{"country": "ZZ"}"#, "country"), (#"{"timeZone": "Mars/Base"}"#, "timeZone"),
            (#"{"currency": "XYZ"}"#, "currency"), (#"{"currency": null}"#, "currency"),
            (#"{"contactEmail": "a@b@c"}"#, "contactEmail"), (#"{"contactPhone": "0791"}"#, "contactPhone"),
            (#"{"retentionDays": 29}"#, "retentionDays"), (#"{"retentionDays": 91}"#, "retentionDays"),
            (#"{"features": {"campaings": true}}"#, "features.campaings"),
            (#"{"features": {"campaigns": true}}"#, "features.campaigns"),
            (#"{"features": null}"#, "features"), (#"{"origins": ["shop.example.com"]}"#, "origins[0]"),
            (#"{"origins": ["https://a.example", "https://b.example/x"]}"#, "origins[1]"),
            (#"{"origins": ["https://a.example:0"]}"#, "origins[0]"), (#"{"plan": "pro"}"#, "plan"),
            (#"{"nmae": "Acme"}"#, "nmae"),
        ])
    func refusals(body: String, field: String) async throws {
        try await TestPlane.with { test in
            let slug = try await test.limitedBrand()
            let answer = try await test.send(.patch, "/api/admin/brands/\(slug)", text: body)
            #expect(answer.status == 400)
            #expect(try answer.problem.field == field)
            #expect(try await test.settings(slug).version == 1)
        }
    }

    @Test("a merge patch changes what it names, in its stored form, null takes away, and the schema has it")
    func patches() async throws {
        try await TestPlane.with { test in
            let slug = try await test.limitedBrand()
            try await test.patch(
                slug,
                """
                {"industry": "Footwear", "contactEmail": "IT@Acme.example", "contactPhone": "+1 415-555-0100",
                 "retentionDays": 60, "features": {"segments": true, "campaigns": false},
                 "origins": ["https://Shop.Acme.example:443", "http://localhost:3000"], "currency": "eur"}
                """)
            var view = try await test.settings(slug)
            #expect(view.version == 2)
            #expect(view.settings.industry == "footwear")
            #expect(view.settings.contactEmail == "it@acme.example")
            #expect(view.settings.contactPhone == "+14155550100")
            #expect(view.settings.features == ["segments": true, "campaigns": false])
            #expect(view.settings.origins == ["https://shop.acme.example", "http://localhost:3000"])
            #expect(view.settings.currency == "EUR")
            #expect(try await test.projectedSettings(slug) == view.settings)
            try await test.patch(
                slug, #"{"industry": null, "retentionDays": null, "features": {"segments": null}}"#)
            view = try await test.settings(slug)
            #expect(view.settings.industry == nil && view.settings.retentionDays == nil)
            #expect(view.settings.features == ["campaigns": false])
            #expect(view.settings.contactEmail == "it@acme.example")
            #expect(try await test.projectedSettings(slug).retentionDays == 90, "the plan's")
        }
    }

    @Test("of two changes of one version the second is refused with both, and changes nothing")
    func versions() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            try await test.patch(slug, #"{"name": "One", "version": 1}"#)
            let stale = try await test.send(
                .patch, "/api/admin/brands/\(slug)", text: #"{"name": "Two", "version": 1}"#)
            #expect(stale.status == 409)
            #expect(try stale.problem.field == "version")
            #expect(try stale.problem.detail.contains("version 2"))
            #expect(try await test.settings(slug).settings.name == "One")
        }
    }

    @Test("the history says who changed what from what, and a version can be had back")
    func history() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            try await test.patch(slug, #"{"name": "One"}"#)
            try await test.patch(slug, #"{"name": "Two", "origins": ["https://a.example"]}"#)
            let path = "/api/admin/brands/\(slug)/settings"
            let page = try await test.call(.get, "\(path)/history?limit=1")
                .decode(Page<BrandSettingsVersion>.self)
            #expect(page.items.map(\.version) == [3])
            #expect(page.items.first?.actor == "local")
            #expect(page.items.first?.before.name == "One" && page.items.first?.after.name == "Two")
            let rest = try await test.call(.get, "\(path)/history?cursor=\(page.nextCursor ?? "")")
                .decode(Page<BrandSettingsVersion>.self)
            #expect(rest.items.map(\.version) == [2])
            let answer = try await test.call(.post, "\(path)/revert", SettingsRevert(version: 2))
            try await test.settle(answer.decode(OperationView.self).id)
            let view = try await test.settings(slug)
            #expect(view.version == 4 && view.settings.name == "One" && view.settings.origins == nil)
            for version in [Int64(0), 4, 9] {
                let refused = try await test.call(.post, "\(path)/revert", SettingsRevert(version: version))
                #expect(refused.status == 400)
            }
        }
    }

    @Test("owners change their own brand's settings, and nobody else's; its other users change none")
    func owners() async throws {
        try await TestPlane.with { test in
            let (slug, other) = (try await test.shop(), try await test.shop())
            let owner = try await test.login(.brandOwner, brand: slug.text).accessToken
            let user = try await test.login(.brandUser, brand: slug.text, email: "bo@example.com").accessToken
            let change = BrandChange(name: "Mine")
            let answer = try await test.call(.patch, "/api/admin/brands/\(slug)", change, token: owner)
            #expect(answer.status == 202)
            try await test.settle(answer.decode(OperationView.self).id)
            #expect(try await test.settings(slug).settings.name == "Mine")
            for (path, token) in [("\(other)", owner), ("\(slug)", user)] {
                let refused = try await test.call(.patch, "/api/admin/brands/\(path)", change, token: token)
                #expect(refused.status == 403)
            }
        }
    }

    @Test("country and currency stay as they are once the brand has events, and the rest can change")
    func inputs() async throws {
        try await TestPlane.with { test in
            let slug = try await test.shop()
            try await test.addEvent(to: slug, isTest: true)
            let (brands, schema) = (test.foundations.brands, slug.schemaName)
            try await brands.run(
                "insert into \(identifier: schema).currency_rate values ('GBP', '2026-01-31', 1.27)")
            let rated = try await test.send(
                .patch, "/api/admin/brands/\(slug)", text: #"{"currency": "EUR"}"#)
            #expect(rated.status == 409)
            #expect(try rated.problem.field == "currency" && rated.problem.detail.contains("rates"))
            try await brands.run("update \(identifier: schema).currency_rate set rate = null")
            try await test.patch(slug, #"{"country": "IN", "currency": "INR"}"#)
            try await test.addEvent(to: slug)
            for (body, field) in [(#"{"country": "US"}"#, "country"), (#"{"currency": "USD"}"#, "currency")] {
                let refused = try await test.send(.patch, "/api/admin/brands/\(slug)", text: body)
                #expect(refused.status == 409)
                #expect(try refused.problem.field == field)
            }
            try await test.patch(slug, #"{"name": "Other", "country": "IN", "currency": "INR"}"#)
        }
    }

    @Test("on a smaller plan no more holds than that allows, and the settings stay as they were")
    func smallerPlan() throws {
        var settings = BrandSettings(name: "A", country: "US", timeZone: "UTC", currency: "USD")
        settings.retentionDays = 400
        settings.features = ["segments": true, "campaigns": true]
        var limits = Plan.Limits(eventsPerSecond: 1, streamEntries: 1, connections: 2, apiKeys: 1)
        #expect(settings.within(limits) == settings)
        limits.retentionDays = 90
        limits.features = ["segments"]
        #expect(settings.within(limits).retentionDays == 90)
        #expect(settings.within(limits).features == ["segments": true])
        // What was so before the plan was smaller does not keep another change out.
        try settings.check("free", limits, after: settings, doing: "test")
    }
}

extension TestPlane {
    func settings(_ slug: Slug) async throws -> BrandSettingsView {
        try await call(.get, "/api/admin/brands/\(slug)/settings").decode(BrandSettingsView.self)
    }

    /// Changes the settings to the end.
    fileprivate func patch(_ slug: Slug, _ body: String) async throws {
        let answer = try await send(.patch, "/api/admin/brands/\(slug)", text: body)
        guard answer.status == 202 else { throw try answer.problem }
        let operation = try await settle(answer.decode(OperationView.self).id)
        #expect(operation.state == .done, "\(operation.error ?? "")")
    }

    /// A brand whose plan keeps events for 90 days and has segments, and no campaigns.
    fileprivate func limitedBrand() async throws -> Slug {
        let slug = try await shop()
        let limits = JSONB(bytes: Array(#"{"retentionDays": 90, "features": ["segments"]}"#.utf8))
        try await foundations.control.run("update plan set limits = limits || \(limits) where name = 'free'")
        return slug
    }

    fileprivate func projectedSettings(_ slug: Slug) async throws -> BrandSettings {
        try await foundations.brands.run(
            "select settings from \(identifier: slug.schemaName).brand_state")[0]
            .decode(0, as: JSONB.self).decode(BrandSettings.self)
    }

    /// As if an instance had committed one.
    fileprivate func addEvent(to slug: Slug, isTest: Bool = false) async throws {
        let tables = try await foundations.brands.run(
            """
            select column_name::text, data_type::text from information_schema.columns
            where table_schema = \(slug.schemaName) and table_name = 'customer_raw_event'
                and is_nullable = 'NO' and column_default is null
            """
        ).decode((String, String).self)
        let values: [SQL] = tables.map { _, type in
            switch type {
            case "uuid": "gen_random_uuid()"
            case "timestamp with time zone": "now()"
            case "jsonb": "'{}'"
            case "boolean": "false"
            case "text": "'x'"
            default: "1"
            }
        }
        let names = tables.map(\.0).joined(separator: ", ")
        let list = values.dropFirst().reduce(values[0]) { $0 + ", " + $1 }
        try await foundations.brands.run(
            """
            insert into \(identifier: slug.schemaName).customer_raw_event (\(raw: names), test)
            values (\(list), \(isTest))
            """)
    }
}
