import Contract
import Customers
import Kernel
import Postgres
import Testing

@testable import Events

/// Rules of identity that histories hardly meet.
@Suite("Who is who in rare cases")
struct IdentityRuleTests {
    private let phone = "phone +12025550101"

    private func view(
        _ key: String, _ identifiers: [IdentifierKind: String], _ time: String = "2026-01-31T10:00:00Z"
    ) throws -> Event {
        try .sample(key, .pageView, identifiers, occurredAt: time)
    }

    @Test("more of one kind than a limit allows, once approved, keep nothing of another kind away")
    func oneSide() async throws {
        try await TestBrand.with { brand in
            for name in ["a", "b", "c", "d"] {
                try await brand.write([view(name, [.phone: "+12025550101", .email: "\(name)@b.com"])])
            }
            let row = try #require(try await brand.rows().first)
            try await brand.decide(.approve(row.id))
            try await brand.write([view("1", [.loyaltyID: "l"])])
            try await brand.write([view("2", [.loyaltyID: "l", .phone: "+12025550101"])])
            #expect(try await brand.people().map(\.count) == [6])
            try await brand.expectHealthy()
        }
    }

    @Test("an event of a browser key asks for nothing, and is not counted where others ask")
    func browser() async throws {
        try await TestBrand.with { brand in
            for name in ["a", "b", "c", "d"] {
                try await brand.write([view(name, [.phone: "+12025550101", .email: "\(name)@b.com"])])
            }
            var page = try view("page", [.phone: "+12025550101", .email: "d@b.com"])
            page.source = Event.browserSource
            try await brand.write([page])
            #expect(try await brand.rows().map(\.events) == [1])
            try await brand.expectHealthy()
        }
    }

    @Test("what waits asks nothing while an end of it is shared, and asks again when it is not any more")
    func sharedEnd() async throws {
        try await TestBrand.with { brand in
            for name in ["a", "b", "c", "d"] {
                try await brand.write([view(name, [.phone: "+12025550101", .email: "\(name)@b.com"])])
            }
            #expect(try await brand.rows().count == 1)
            try await brand.decide(.share(brand.id(phone)))
            #expect(try await brand.rows().isEmpty)
            try await brand.expectHealthy()
            try await brand.decide(.unshare(brand.id(phone)))
            #expect(try await brand.rows().count == 1)
            try await brand.expectHealthy()
        }
    }

    @Test("an event of a test key says nothing of anybody, also beside one that does")
    func testKey() async throws {
        try await TestBrand.with { brand in
            let test = try Event.sample(
                "t", .pageView, [.email: "a@b.com", .phone: "+12025550101", .deviceID: "d"],
                properties: #"{"consent":{"email":{"news":true}}}"#, isTest: true)
            try await brand.write([test, view("1", [.email: "a@b.com"]), view("2", [.deviceID: "d"])])
            let consents = try await brand.database.run("select count(*) from consent")
            #expect(try consents[0].decode(Int.self) == 0)
            #expect(try await brand.people() == [["email a@b.com"]])
            #expect(try await brand.places()["2"] == "device_id d")
            try await brand.expectHealthy()
        }
    }

    @Test("at one instant and by one key, the source says what comes before a sign-in and what behind")
    func sources() async throws {
        func seen(_ source: String, _ email: String?) throws -> Event {
            var identifiers: [IdentifierKind: String] = [.deviceID: "d"]
            identifiers[.email] = email
            var event = try view("k", identifiers)
            event.source = source
            return event
        }
        try await TestBrand.with { brand in
            try await brand.write([
                view("1", [.deviceID: "d", .email: "ann@b.com"], "2026-01-31T09:00:00Z"),
                seen("a", nil), seen("m", "bob@b.com"), seen("z", nil),
            ])
            let rows = try await brand.database.run(
                """
                select source, value from customer_raw_event join customer_identifier i on i.id = placed_on
                where event_key = 'k'
                """
            ).decode((String, String).self)
            let places = Dictionary(uniqueKeysWithValues: rows)
            #expect(places == ["a": "ann@b.com", "m": "bob@b.com", "z": "bob@b.com"])
            try await brand.expectHealthy()
        }
    }

    @Test("a device's id leads to whoever signed in on it first, unless something is placed on it")
    func deviceID() async throws {
        try await TestBrand.with { brand in
            let list = ProfileListStore(database: brand.database)
            try await brand.write([
                view("1", [.deviceID: "d", .email: "bob@b.com"], "2026-01-20T10:00:00Z"),
                view("2", [.deviceID: "d", .email: "ann@b.com"], "2026-01-10T10:00:00Z"),
            ])
            let device = ProfileID(try await brand.id("device_id d").uuid)
            #expect(try await list.resolve(device) == brand.profile(of: "email ann@b.com"))
            try await brand.write([view("3", [.deviceID: "d"], "2026-03-10T10:00:00Z")])
            #expect(try await list.resolve(device) == device)
        }
    }

    @Test("an unmerge and a flag are refused too when what they are about has changed since it was shown")
    func shown() async throws {
        try await TestBrand.with { brand in
            try await brand.write([view("1", [.email: "a@b.com", .phone: "+12025550101"])])
            let profile = try #require(try await brand.profile(of: phone))
            let email = try await brand.id("email a@b.com")
            let requests = [
                DecisionRequest.unmerge(profile, separating: [email]), .block(email), .share(email),
            ]
            var shown: [String] = []
            for request in requests { shown.append(try await brand.preview(request).shown) }
            try await brand.write([view("2", [.phone: "+12025550101", .loyaltyID: "l"])])
            for (request, shown) in zip(requests, shown) {
                #expect(try await brand.refusal(request, shown: shown)?.code == .conflict, "\(request)")
            }
            try await brand.decide(requests[0], shown: brand.preview(requests[0]).shown)
            #expect(try await brand.people().count == 2)
        }
    }
}
