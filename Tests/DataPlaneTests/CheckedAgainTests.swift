import Contract
import Customers
import Kernel
import Testing

@testable import Events

/// What a decision brings back. A re-fold takes from the log what was held of it: whether the right pairs
/// were is tested here.
@Suite("What comes back is checked")
struct CheckedAgainTests {
    private let phone = "phone +12025550101"

    /// A page view at a minute of one hour.
    private func view(
        _ key: String, _ identifiers: [IdentifierKind: String], _ minute: Int = 10
    ) throws -> Event {
        try .sample(key, .pageView, identifiers, occurredAt: "2026-01-31T10:\(minute):00Z")
    }

    @Test("merges come back in their order, as far as no never stands between what they would join")
    func merged() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                view("1", [.phone: "+12025550101"]), view("2", [.email: "a@b.com"]),
                view("3", [.loyaltyID: "l"]),
            ])
            try await brand.merge(phone, "email a@b.com")
            try await brand.merge(phone, "loyalty_id l")
            try await brand.decide(.block(brand.id(phone)))
            // Without the phone the second merge ties the other two, until they are parted.
            let rest = try #require(try await brand.profile(of: "email a@b.com"))
            try await brand.decide(.unmerge(rest, separating: [brand.id("loyalty_id l")]))
            #expect(try await brand.decide(.unblock(brand.id(phone))).held == 1)
            #expect(try await brand.people() == [[phone, "email a@b.com"], ["loyalty_id l"]])
            try await brand.expectHealthy()
        }
    }

    @Test("what events tied comes back before what was merged earlier")
    func tiedFirst() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                view("1", [.phone: "+12025550101"]), view("2", [.email: "a@b.com"]),
                view("3", [.loyaltyID: "l"]),
            ])
            try await brand.merge(phone, "email a@b.com")
            try await brand.write([view("4", [.phone: "+12025550101", .loyaltyID: "l"])])
            try await brand.decide(.block(brand.id(phone)))
            let email = try #require(try await brand.profile(of: "email a@b.com"))
            let loyalty = try #require(try await brand.profile(of: "loyalty_id l"))
            try await brand.decide(.never(email, loyalty))
            #expect(try await brand.decide(.unblock(brand.id(phone))).held == 1)
            #expect(try await brand.people() == [[phone, "loyalty_id l"], ["email a@b.com"]])
            try await brand.expectHealthy()
        }
    }

    @Test("what was approved beyond a limit comes back beyond it")
    func approved() async throws {
        try await TestBrand.with { brand in
            for name in ["a", "b", "c", "d"] {
                try await brand.write([view(name, [.phone: "+12025550101", .email: "\(name)@b.com"])])
            }
            let row = try #require(try await brand.rows().first)
            try await brand.decide(.approve(row.id))
            try await brand.decide(.block(brand.id(phone)))
            #expect(try await brand.people().count == 4)
            #expect(try await brand.decide(.unblock(brand.id(phone))).held == 0)
            #expect(try await brand.people().count == 1)
            try await brand.expectHealthy()
        }
    }

    @Test("a pair of too large an event joins when it came alone too, unless by an event that never ties")
    func alone() async throws {
        for isPage in [false, true] {
            try await TestBrand.with { brand in
                let others: [IdentifierKind: String] = [
                    .whatsapp: "+12025550102", .email: "a@b.com", .loyaltyID: "l", .upiID: "u@upi",
                ]
                try await brand.write([view("p", [.phone: "+12025550101"])])
                for (kind, value) in others { try await brand.write([view(kind.rawValue, [kind: value])]) }
                try await brand.decide(.block(brand.id(phone)))
                var two = try view("two", [.phone: "+12025550101", .email: "a@b.com"], 20)
                if isPage { two.source = Event.browserSource }
                try await brand.write([view("all", others.merging([.phone: "+12025550101"]) { $1 }), two])
                #expect(try await brand.decide(.unblock(brand.id(phone))).held == (isPage ? 4 : 3))
                #expect(try await brand.people().count == (isPage ? 5 : 4))
                #expect(try await brand.people().contains([phone, "email a@b.com"]) == !isPage)
                try await brand.expectHealthy()
            }
        }
    }

    @Test("a pair of too large an event that does not fit when it comes alone goes on waiting for an event")
    func waits() async throws {
        try await TestBrand.with { brand in
            for name in ["a", "b", "c"] {
                try await brand.write([view(name, [.phone: "+12025550101", .email: "\(name)@b.com"])])
            }
            let others: [IdentifierKind: String] = [
                .whatsapp: "+12025550102", .email: "d@b.com", .loyaltyID: "l", .upiID: "u@upi",
            ]
            for (kind, value) in others { try await brand.write([view(kind.rawValue, [kind: value])]) }
            try await brand.decide(.block(brand.id("email d@b.com")))
            let two: [IdentifierKind: String] = [.phone: "+12025550101", .email: "d@b.com"]
            try await brand.write([
                view("all", others.merging(two) { $1 }, 20), view("two", two, 30),
            ])
            #expect(try await brand.decide(.unblock(brand.id("email d@b.com"))).held == 4)
            let profile = try #require(try await brand.profile(of: phone))
            try await brand.decide(.unmerge(profile, separating: [brand.id("email a@b.com")]))
            try await brand.write([view("again", two, 40)])
            #expect(try await brand.profile(of: "email d@b.com") == brand.profile(of: phone))
            try await brand.expectHealthy()
        }
    }

    @Test("what is allowed again is checked as on arrival")
    func allowed() async throws {
        try await TestBrand.with { brand in
            for name in ["a", "b", "c"] {
                try await brand.write([view(name, [.phone: "+12025550101", .email: "\(name)@b.com"])])
            }
            try await brand.write([view("d", [.email: "d@b.com"])])
            let one = try #require(try await brand.profile(of: phone))
            let other = try #require(try await brand.profile(of: "email d@b.com"))
            try await brand.decide(.never(one, other))
            try await brand.write([view("e", [.phone: "+12025550101", .email: "d@b.com"])])
            #expect(try await brand.rows().isEmpty)
            #expect(try await brand.decide(.allow(one, other)).held == 1)
            #expect(try await brand.people().count == 2)
            #expect(try await brand.rows().count == 1)
            try await brand.expectHealthy()
        }
    }

    @Test("a blocked value goes on counting in a never, for an event and for what comes back")
    func blockedNever() async throws {
        for isArriving in [true, false] {
            try await TestBrand.with { brand in
                try await brand.write([
                    view("1", [.email: "x@b.com"]), view("2", [.loyaltyID: "y"]),
                    view("3", [.phone: "+12025550101"]), view("4", [.upiID: "w@upi"]),
                ])
                let x = try #require(try await brand.profile(of: "email x@b.com"))
                let y = try #require(try await brand.profile(of: "loyalty_id y"))
                try await brand.decide(.never(x, y))
                try await brand.write([view("5", [.email: "x@b.com", .phone: "+12025550101"])])
                try await brand.decide(.block(brand.id("email x@b.com")))
                let upi = try await brand.id("upi_id w@upi")
                if !isArriving { try await brand.decide(.block(upi)) }
                try await brand.write([
                    view("6", [.loyaltyID: "y", .upiID: "w@upi"], 20),
                    view("7", [.phone: "+12025550101", .upiID: "w@upi"], 30),
                ])
                if !isArriving { try await brand.decide(.unblock(upi)) }
                #expect(try await brand.people() == [["loyalty_id y", "upi_id w@upi"], [phone]])
                #expect(try await brand.rows().count == 1)
                try await brand.expectHealthy()
            }
        }
    }
}

extension TestBrand {
    /// Merges the profiles that two identifiers are in.
    fileprivate func merge(_ one: String, _ other: String) async throws {
        let sides = [try await profile(of: one), try await profile(of: other)].compactMap { $0 }
        try await decide(.merge(sides[0], sides[1]))
    }
}
