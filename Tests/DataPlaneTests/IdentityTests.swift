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

    @Test(
        "a cookie is whose sign-in was last, and the first one's before that, in whatever order they come",
        arguments: [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 3, 4, 0, 2], [4, 0, 1, 3, 2], [0, 1, 3, 4, 2]])
    func cookie(order: [Int]) async throws {
        func at(_ time: String, _ key: String, _ email: String?) throws -> Event {
            var identifiers: [IdentifierKind: String] = [.cookieID: "c"]
            identifiers[.email] = email
            return try .sample(key, .pageView, identifiers, occurredAt: "2026-01-31T\(time):00Z")
        }
        let events = [
            try at("09:30", "before", nil), try at("10:00", "ann", "ann@example.com"),
            try at("10:30", "between", nil), try at("11:00", "bob", "bob@example.com"),
            try at("11:30", "after", nil),
        ]
        try await TestBrand.with { brand in
            for place in order { try await brand.write([events[place]]) }
            #expect(try await brand.totals.profiles == 2)
            let ann = try #require(try await brand.profile(.email, "ann@example.com")).id
            let bob = try #require(try await brand.profile(.email, "bob@example.com")).id
            let rows = try await brand.database.run(
                "select event_key, customer_profile_id from customer_raw_event"
            ).decode((String, ProfileID).self)
            #expect(
                Dictionary(uniqueKeysWithValues: rows) == [
                    "before": ann, "ann": ann, "between": ann, "bob": bob, "after": bob,
                ])
        }
    }

    @Test("a sign-out is still the owner's, and nothing behind it is; a device of many people is nobody's")
    func signOutAndShared() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                .sample("1", [.cookieID: "c", .email: "ann@example.com"], "10:00"),
                .sample("2", .signOut, [.cookieID: "c"], occurredAt: "2026-01-31T11:00:00Z"),
                .sample("3", [.cookieID: "c"], "12:00"),
            ])
            let ann = try #require(try await brand.profile(.email, "ann@example.com")).id
            #expect(try await brand.places(of: ["1", "2", "3"]).prefix(2) == [ann, ann])
            #expect(try await brand.places(of: ["3"]) != [ann])
            for person in ["bob", "cyd"] {
                try await brand.write([
                    .sample(person, [.cookieID: "c", .email: "\(person)@example.com"], "13:00")
                ])
            }
            #expect(try await brand.flag(of: .cookieID, "c") == nil)
            try await brand.write([.sample("dee", [.cookieID: "c", .email: "dee@example.com"], "14:00")])
            #expect(try await brand.flag(of: .cookieID, "c") == "shared")
            try await brand.write([.sample("4", [.cookieID: "c"], "15:00")])
            #expect(try await brand.places(of: ["2", "3", "4"]) == [nil, nil, nil])
            #expect(try await brand.totals.profiles == 4)
        }
    }

    @Test("a sign-in owns for less than 30 days, and reaches back exactly 30 days")
    func span() async throws {
        func seen(_ key: String, _ time: String) throws -> Event {
            try .sample(key, .pageView, [.cookieID: "c"], occurredAt: time)
        }
        let signIn = try Event.sample(
            "ann", .pageView, [.cookieID: "c", .email: "ann@example.com"], occurredAt: "2026-01-31T10:00:00Z")
        let events = try [
            seen("too early", "2026-01-01T09:59:59.999999Z"), seen("first", "2026-01-01T10:00:00Z"),
            seen("last", "2026-03-02T09:59:59.999999Z"), seen("too late", "2026-03-02T10:00:00Z"),
        ]
        for batches in [[events, [signIn]], [[signIn], events]] {
            try await TestBrand.with { brand in
                for batch in batches { try await brand.write(batch) }
                let ann = try #require(try await brand.profile(.email, "ann@example.com")).id
                #expect(try await brand.places(of: ["first", "last"]) == [ann, ann])
                #expect(try await !brand.places(of: ["too early", "too late"]).contains(ann))
            }
        }
    }

    @Test("at one instant, keys say what comes before a sign-in and what behind")
    func oneInstant() async throws {
        let events = try [
            Event.sample("1", [.cookieID: "c", .email: "ann@example.com"], "09:00"),
            .sample("2", [.cookieID: "c"], "10:00"),
            .sample("3", [.cookieID: "c", .email: "bob@example.com"], "10:00"),
            .sample("4", [.cookieID: "c"], "10:00"),
            .sample("5", .signOut, [.cookieID: "c"], occurredAt: "2026-01-31T11:00:00Z"),
            .sample("6", [.cookieID: "c"], "12:00"),
            .sample("7", [.cookieID: "c", .email: "cyd@example.com"], "12:00"),
        ]
        for events in [events, events.reversed()] {
            try await TestBrand.with { brand in
                for event in events { try await brand.write([event]) }
                var people: [ProfileID?] = []
                for name in ["ann", "bob", "cyd"] {
                    people.append(try await brand.profile(.email, "\(name)@example.com")?.id)
                }
                #expect(
                    try await brand.places(of: ["2", "4", "5", "6"])
                        == [people[0], people[1], people[1], people[2]])
            }
        }
    }

    @Test("a profile's strength counts each kind once, and all strong kinds together make 100")
    func strength() async throws {
        let alone: [(Identifier.Kind, IdentifierKind, String, Int)] = [
            (.phone, .phone, "+12025550101", 35), (.email, .email, "a@b.com", 30),
            (.loyaltyID, .loyaltyID, "a", 20), (.upiID, .upiID, "a@upi", 15),
            (.deviceID, .deviceID, "a", 5), (.cookieID, .cookieID, "a", 3), (.qrID, .qrID, "a", 2),
        ]
        try await TestBrand.with { brand in
            try await brand.write(
                try alone.map { try .sample($0.0.rawValue, [$0.1: $0.2]) } + [
                    .sample(
                        "all",
                        [.phone: "+12025550102", .email: "b@b.com", .loyaltyID: "b", .upiID: "b@upi"]),
                    .sample("again", [.phone: "+12025550102", .email: "c@b.com", .deviceID: "b"]),
                ])
            for (kind, _, value, strength) in alone {
                #expect(try await brand.profile(kind, value)?.profileStrength == strength, "\(kind)")
            }
            #expect(try await brand.profile(.email, "c@b.com")?.profileStrength == 100)
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

extension TestBrand {
    /// The profiles of stored events, by their keys.
    fileprivate func places(of keys: [String]) async throws -> [ProfileID?] {
        let rows = try await database.run(
            "select event_key, customer_profile_id from customer_raw_event where event_key = any(\(keys))"
        ).decode((String, ProfileID?).self)
        let places = Dictionary(uniqueKeysWithValues: rows)
        return keys.map { places[$0] ?? nil }
    }

    fileprivate func flag(of kind: Identifier.Kind, _ value: String) async throws -> String? {
        try await database.run(
            "select flag from customer_identifier where kind = \(kind.rawValue) and value = \(value)"
        ).first?.decode(String?.self)
    }
}

extension Event {
    /// A page view at a time of one day.
    fileprivate static func sample(
        _ key: String, _ identifiers: [IdentifierKind: String], _ time: String
    ) throws -> Event {
        try sample(key, .pageView, identifiers, occurredAt: "2026-01-31T\(time):00Z")
    }
}
