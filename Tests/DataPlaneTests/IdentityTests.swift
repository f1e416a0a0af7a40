import Contract
import Customers
import Kernel
import Postgres
import Testing

@testable import Events

@Suite("Placing events")
struct IdentityTests {
    @Test("an e-mail, both, a phone: one profile, whose id is that of the identifier seen first")
    func tied() async throws {
        for isBatched in [true, false] {
            try await TestBrand.with { brand in
                let events = [
                    try Event.sample("1", [.email: "a@b.com"]),
                    try Event.sample("2", [.email: "a@b.com", .phone: "+12025550123"]),
                    try Event.sample("3", [.phone: "+12025550123"]),
                ]
                if isBatched {
                    try await brand.write(events)
                } else {
                    for event in events { try await brand.write([event]) }
                }
                #expect(try await brand.totals.profiles == 1)
                let byPhone = try #require(try await brand.profile(.phone, "+12025550123"))
                let byEmail = try #require(try await brand.profile(.email, "a@b.com"))
                #expect(byPhone.id == byEmail.id)
                #expect(byPhone.profileStrength == 65)
                let rows = try await brand.database.run(
                    "select count(*), min(customer_profile_id::text) from customer_raw_event")
                let (count, profile) = try rows[0].decode((Int64, String).self)
                #expect(count == 3 && profile == byEmail.id.description)
                let first = try await brand.database.run(
                    "select id from customer_identifier where kind = 'email'")
                #expect(try first[0].decode(UUIDv7.self) == byEmail.id.uuid)
            }
        }
    }

    @Test("what is new comes into the profile of what is known, however many new ones come at once")
    func newBesideKnown() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                .sample("1", [.loyaltyID: "l"]),
                .sample("2", [.phone: "+12025550123", .email: "a@b.com", .loyaltyID: "l"]),
            ])
            #expect(try await brand.totals.profiles == 1)
            let held = try await brand.database.run("select 1 from identity_pair where state <> 'in_force'")
            #expect(held.isEmpty)
        }
    }

    @Test("an event with the identifiers of two profiles joins them under the older id, with all they have")
    func joined() async throws {
        for isBatched in [true, false] {
            try await TestBrand.with { brand in
                let events = [
                    try Event.sample("1", [.email: "a@b.com"]),
                    try Event.sample(
                        "2", .purchase, [.phone: "+12025550123"], properties: #"{"total":"10.10"}"#),
                    try Event.sample(
                        "3", .purchase, [.email: "a@b.com", .phone: "+12025550123"],
                        properties: #"{"total":"5.05"}"#),
                ]
                if isBatched {
                    try await brand.write(events)
                } else {
                    for event in events { try await brand.write([event]) }
                }
                #expect(try await brand.totals.profiles == 1)
                let profile = try #require(try await brand.profile(.phone, "+12025550123"))
                #expect(profile.lifetimeValue == "15.15" && profile.totalOrders == 2)
                #expect(try await brand.profile(.email, "a@b.com")?.id == profile.id)
                for table in ["customer_raw_event", "customer_order"] {
                    let column = table == "customer_order" ? "profile_id" : "customer_profile_id"
                    let places = try await brand.database.run(
                        "select distinct \(identifier: column) from \(identifier: table)")
                    #expect(try places.decode(ProfileID.self) == [profile.id])
                }
                let history = try await brand.database.run("select base_profile_id from merge_history")
                #expect(try history.decode(ProfileID.self) == (isBatched ? [] : [profile.id]))
            }
        }
    }

    @Test("whatsapp and phone are one kind, read with the brand's country")
    func phones() async throws {
        try await TestBrand.with(country: "IN") { brand in
            try await brand.write([
                .sample("1", [.whatsapp: "+91 98765 43210"]), .sample("2", [.phone: "098765 43210"]),
            ])
            #expect(try await brand.totals.profiles == 1)
            #expect(try await brand.profile(.phone, "+919876543210") != nil)
        }
    }

    @Test("a card's last digits tie and place nobody; an unusable phone places on none, even beside a device")
    func evidence() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                .sample("1", [.cardLast4: "4242"]), .sample("2", [.phone: "none", .deviceID: "d"]),
            ])
            #expect(try await brand.totals.profiles == 0)
            #expect(try await brand.totals.events == 2)
        }
    }

    @Test("a device alone has a profile of its own, until somebody signs in on it")
    func weak() async throws {
        try await TestBrand.with { brand in
            try await brand.write([.sample("1", [.deviceID: "d"])])
            #expect(try await brand.profile(.deviceID, "d")?.profileStrength == 5)
            try await brand.write([.sample("2", [.deviceID: "d", .email: "a@b.com"])])
            #expect(try await brand.totals.profiles == 1)
            #expect(try await brand.profile(.deviceID, "d") == nil)
            let person = try #require(try await brand.profile(.email, "a@b.com"))
            #expect(person.identifiers == ["email": ["a@b.com"]])
            let places = try await brand.database.run("select customer_profile_id from customer_raw_event")
            #expect(try places.decode(ProfileID.self) == [person.id, person.id])
        }
    }

    @Test("ids rise strictly, also within a millisecond and when the clock steps back")
    func risingIDs() {
        var ids = UUIDv7Sequence()
        let now = SystemWallClock().now()
        var last = ids.next(at: now)
        for step in 0..<10_000 {
            let next = ids.next(at: now - .milliseconds(step % 50))
            #expect(next > last)
            last = next
        }
    }
}
