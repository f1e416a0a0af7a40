import Contract
import Customers
import Kernel
import Postgres
import TestSupport
import Testing

@testable import Events
@testable import TestHistories

/// What limits decide is in the log, and a re-fold takes it from there: what they decide, and whether, is
/// tested here.
@Suite("What limits decide")
struct LimitTests {
    private static let phone = "+12025550101"

    /// A page view at a minute of one hour.
    private func view(
        _ key: String, _ identifiers: [IdentifierKind: String], _ minute: Int = 10
    ) throws -> Event {
        try .sample(key, .pageView, identifiers, occurredAt: "2026-01-31T10:\(minute):00Z")
    }

    @Test("a batch and the same events one by one are decided alike", arguments: 1...4)
    func batches(seed: Int) async throws {
        var random = SeededGenerator(seed: UInt64(seed) &+ 3000)
        let events = (0..<60).map { Sent.dense("e\($0)", using: &random) }.sorted { $0.place < $1.place }
        var standings: [Set<String>] = []
        for size in [1, 20] {
            try await TestBrand.with(country: "IN") { brand in
                for start in stride(from: 0, to: events.count, by: size) {
                    let now = SystemWallClock().now()
                    try await brand.write(events[start..<start + size].map { $0.event(receivedAt: now) })
                    if start + size == 20 { try await brand.keepSomeApart() }
                }
                try await brand.expectHealthy("seed \(seed), \(size) at a time")
                standings.append(try await brand.standings)
            }
        }
        #expect(standings[0] == standings[1])
        #expect(standings[0].contains { $0.hasSuffix("held") })
    }

    @Test("a pair of too large an event that another limit forbids goes on waiting when it comes alone")
    func waitsOn() async throws {
        try await TestBrand.with { brand in
            for name in ["a", "b", "c"] {
                try await brand.write([view(name, [.phone: LimitTests.phone, .email: "\(name)@b.com"])])
            }
            try await brand.write([
                view("d", [.email: "d@b.com"]), view("l", [.loyaltyID: "l"]), view("u", [.upiID: "u@upi"]),
            ])
            let all: [IdentifierKind: String] = [
                .phone: LimitTests.phone, .email: "d@b.com", .loyaltyID: "l", .upiID: "u@upi",
            ]
            try await brand.write([view("all", all)])
            let two: [IdentifierKind: String] = [.phone: LimitTests.phone, .email: "d@b.com"]
            try await brand.write([view("again", all), view("e", two)])
            #expect(try await brand.people().count == 4)
            try await brand.write([view("f", [.phone: LimitTests.phone, .loyaltyID: "l"])])
            #expect(try await brand.people().map(\.count).sorted() == [1, 1, 5])
            try await brand.expectHealthy()
        }
    }

    @Test("a pair that waits for its kind's sake goes on waiting when it comes again, though it would fit")
    func comesAgain() async throws {
        try await TestBrand.with { brand in
            for name in ["a", "b", "c", "d"] {
                try await brand.write([view(name, [.phone: LimitTests.phone, .email: "\(name)@b.com"])])
            }
            let profile = try #require(try await brand.profile(of: "phone \(LimitTests.phone)"))
            try await brand.decide(.unmerge(profile, separating: [brand.id("email a@b.com")]))
            try await brand.write([view("again", [.phone: LimitTests.phone, .email: "d@b.com"])])
            #expect(try await brand.people().count == 3)
            #expect(try await brand.rows().count == 1)
            try await brand.expectHealthy()
        }
    }

    @Test("what was tied while a value was blocked is checked in the order of events when it is back")
    func unblocked() async throws {
        try await TestBrand.with { brand in
            try await brand.write([view("a", [.phone: LimitTests.phone, .email: "a@b.com"], 59)])
            try await brand.decide(.block(brand.id("phone \(LimitTests.phone)")))
            for (name, minute) in [("b", 50), ("c", 40), ("d", 30)] {
                try await brand.write([
                    view(name, [.phone: LimitTests.phone, .email: "\(name)@b.com"], minute)
                ])
            }
            #expect(try await brand.people().count == 4)
            let report = try await brand.decide(.unblock(brand.id("phone \(LimitTests.phone)")))
            #expect(report.held == 1)
            #expect(try await brand.people().count == 2)
            #expect(try await brand.people().contains(["email a@b.com"]))
            #expect(try await brand.rows().count == 1)
            try await brand.expectHealthy()
        }
    }

    @Test("too large an event joins nothing when its blocked value is back")
    func unblockedCrowd() async throws {
        try await TestBrand.with { brand in
            let others: [IdentifierKind: String] = [
                .whatsapp: "+12025550102", .email: "a@b.com", .loyaltyID: "l", .upiID: "u@upi",
            ]
            try await brand.write([view("p", [.phone: LimitTests.phone])])
            for (kind, value) in others { try await brand.write([view(kind.rawValue, [kind: value])]) }
            try await brand.decide(.block(brand.id("phone \(LimitTests.phone)")))
            try await brand.write([view("all", others.merging([.phone: LimitTests.phone]) { $1 })])
            #expect(try await brand.people().count == 4)
            #expect(try await brand.decide(.unblock(brand.id("phone \(LimitTests.phone)"))).held == 4)
            #expect(try await brand.people().count == 5)
            try await brand.expectHealthy()
        }
    }

    @Test("a device on which one person signs in by four identifiers is not shared, by four people it is")
    func onePerson() async throws {
        try await TestBrand.with { brand in
            let one: [IdentifierKind: String] = [
                .phone: LimitTests.phone, .email: "a@b.com", .loyaltyID: "l", .upiID: "u@upi",
            ]
            try await brand.write([view("all", one)])
            for (kind, value) in one {
                try await brand.write([view(kind.rawValue, [kind: value, .deviceID: "d"])])
            }
            for name in ["b", "c"] {
                try await brand.write([view(name, [.email: "\(name)@b.com", .deviceID: "d"])])
            }
            let device = try await brand.id("device_id d")
            #expect(try await brand.flag(of: device) == nil)
            try await brand.write([view("d", [.email: "d@b.com", .deviceID: "d"])])
            #expect(try await brand.flag(of: device) == "shared")
            // A person has decided, and no limit does so again.
            try await brand.decide(.unshare(device))
            try await brand.write([view("e", [.email: "e@b.com", .deviceID: "d"])])
            #expect(try await brand.flag(of: device) == nil)
            try await brand.expectHealthy()
        }
    }

    @Test("consent is taken for what the event carries, and for nothing else")
    func consent() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                .sample(
                    "1", .pageView, [.phone: LimitTests.phone],
                    properties: #"{"consent":{"email":{"news":true}}}"#)
            ])
            let consents = try await brand.database.run("select count(*) from consent")
            #expect(try consents[0].decode(Int.self) == 0)
            try await brand.expectHealthy()
        }
    }
}

extension Sent {
    fileprivate var place: EventOrder { EventOrder(event(receivedAt: occurredAt)) }
}

extension TestBrand {
    /// Each pair by its values, with what has become of it.
    fileprivate var standings: Set<String> {
        get async throws {
            let rows = try await database.run(
                """
                select least(low.kind || ' ' || low.value, high.kind || ' ' || high.value) || ' - '
                    || greatest(low.kind || ' ' || low.value, high.kind || ' ' || high.value) || ': ' || state
                from identity_pair
                join customer_identifier low on low.id = low_id
                join customer_identifier high on high.id = high_id
                """)
            return Set(try rows.decode(String.self))
        }
    }

    fileprivate func flag(of identifier: IdentifierID) async throws -> String? {
        try await database.run("select flag from customer_identifier where id = \(identifier)")[0]
            .decode(String?.self)
    }

    /// Keeps profiles apart, the same in brands in which the same has happened.
    fileprivate func keepSomeApart() async throws {
        let values = try await database.run(
            """
            select distinct on (profile_id) kind || ' ' || value as name, profile_id from customer_identifier
            where profile_id is not null and kind in ('phone', 'email', 'loyalty_id', 'upi_id')
            order by profile_id, kind, value
            """
        ).decode((String, ProfileID).self).sorted { $0.0 < $1.0 }
        for (one, other) in zip(values, values.dropFirst()).prefix(3) {
            try await decide(.never(one.1, other.1))
        }
    }
}
