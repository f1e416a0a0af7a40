import Contract
import Customers
import Kernel
import Postgres
import Testing

@testable import Events

@Suite("Deciding")
struct DecisionTests {
    @Test("three profiles tied by one event become one, with two entries in the history; four are held")
    func tiedByOne() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                .sample("1", [.phone: "+12025550101"]), .sample("2", [.email: "a@b.com"]),
                .sample("3", [.loyaltyID: "l1"]),
            ])
            let three: [IdentifierKind: String] = [
                .phone: "+12025550101", .email: "a@b.com", .loyaltyID: "l1",
            ]
            try await brand.write([.sample("4", three)])
            #expect(try await brand.people() == [["phone +12025550101", "email a@b.com", "loyalty_id l1"]])
            let history = try await brand.database.run("select count(*) from merge_history")
            #expect(try history[0].decode(Int.self) == 2)

            try await brand.write([
                .sample("5", [.phone: "+12025550102"]), .sample("6", [.email: "b@b.com"]),
                .sample("7", [.loyaltyID: "l2"]), .sample("8", [.upiID: "b@upi"]),
            ])
            let four: [IdentifierKind: String] = [
                .phone: "+12025550102", .email: "b@b.com", .loyaltyID: "l2", .upiID: "b@upi",
            ]
            try await brand.write([.sample("9", four)])
            #expect(try await brand.people().count == 5)
            #expect(try await brand.places()["9"] == "phone +12025550102")
            let rows = try await brand.rows()
            try #require(rows.count == 1)
            #expect(rows[0].profileIds.count == 4 && rows[0].events == 1)

            let preview = try await brand.preview(.approve(rows[0].id))
            #expect(preview.before.count == 4 && preview.after.count == 1 && preview.rows.count == 1)
            try await brand.decide(.approve(rows[0].id), shown: rows[0].shown)
            #expect(try await brand.people().count == 2)
            #expect(try await brand.statuses() == ["approved"])
            #expect(try await brand.refusal(.reject(rows[0].id))?.code == .conflict)
            try await brand.expectHealthy()
        }
    }

    @Test("an event on a shared phone and an e-mail of one's own is placed on the e-mail, as it arrives")
    func besideShared() async throws {
        try await TestBrand.with { brand in
            try await brand.write([.sample("1", [.phone: "+12025550101"])])
            try await brand.decide(.share(try await brand.id("phone +12025550101")))
            try await brand.write([
                .sample("2", [.phone: "+12025550101", .email: "a@b.com"]),
                .sample("3", [.phone: "+12025550101"]),
            ])
            let places = try await brand.places()
            #expect(places["2"] == "email a@b.com" && places["3"] == "phone +12025550101")
            #expect(try await brand.people().count == 2)
            try await brand.expectHealthy()
        }
    }

    @Test(
        "a pair of too large an event joins when it comes alone, and the log says that the limit approved it")
    func comesAlone() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                .sample("1", [.phone: "+12025550101"]), .sample("2", [.email: "a@b.com"]),
                .sample("3", [.loyaltyID: "l"]), .sample("4", [.upiID: "a@upi"]),
                .sample(
                    "5",
                    [.phone: "+12025550101", .email: "a@b.com", .loyaltyID: "l", .upiID: "a@upi"]),
            ])
            #expect(try await brand.people().count == 4)
            try await brand.write([.sample("6", [.phone: "+12025550101", .email: "a@b.com"])])
            #expect(try await brand.people().count == 3)
            let decisions = try await brand.database.run(
                "select kind from identity_decision where by_limit order by sequence")
            #expect(try decisions.decode(String.self) == ["hold", "approve"])
            try await brand.expectHealthy()
        }
    }

    @Test("an identifier that an event brings first is no profile of its own: three and a new one become one")
    func newBesideThree() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                .sample("1", [.phone: "+12025550101"]), .sample("2", [.email: "a@b.com"]),
                .sample("3", [.loyaltyID: "l"]),
            ])
            try await brand.write([
                .sample(
                    "4", [.phone: "+12025550101", .email: "a@b.com", .loyaltyID: "l", .upiID: "a@upi"])
            ])
            #expect(try await brand.people().map(\.count) == [4])
            #expect(try await brand.rows().isEmpty)
            try await brand.expectHealthy()
        }
    }

    @Test(
        "a till's sale by the shop's own blocked phone is a guest order, on a tablet where somebody signed in"
    )
    func guestOrder() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                .sample("1", .identify, [.email: "a@b.com", .deviceID: "tablet"]),
                .sample(
                    "2", .purchase, [.phone: "+12025550100", .deviceID: "tablet"],
                    properties: #"{"total": "5.00"}"#, occurredAt: "2026-01-31T11:00:00Z"),
                .sample("3", .pageView, [.deviceID: "tablet"], occurredAt: "2026-01-31T12:00:00Z"),
            ])
            for number in 0..<20 { try await brand.write([.sample("c\(number)", [.cardLast4: "4242"])]) }
            #expect(try await brand.orders(of: "phone +12025550100") == "1 for 5")
            #expect(try await brand.places()["3"] == "phone +12025550100")
            try await brand.decide(.block(brand.id("phone +12025550100")))
            #expect(try await brand.places()["2"] == "nobody")
            #expect(try await brand.places()["3"] == "email a@b.com")
            #expect(try await brand.profile(of: "phone +12025550100") == nil)
            #expect(try await brand.orders(of: "email a@b.com") == "0 for 0")
            try await brand.write([
                .sample(
                    "4", .purchase, [.phone: "+12025550100", .deviceID: "tablet"],
                    properties: #"{"total": "7.00"}"#, occurredAt: "2026-01-31T13:00:00Z")
            ])
            #expect(try await brand.places()["4"] == "nobody")
            #expect(try await brand.totals.revenue == ["USD": "12.00"])
            try await brand.expectHealthy()
            try await brand.decide(.unblock(brand.id("phone +12025550100")))
            #expect(try await brand.orders(of: "phone +12025550100") == "2 for 12")
            #expect(try await brand.places()["3"] == "phone +12025550100")
            try await brand.expectHealthy()
        }
    }

    @Test("a merge by hand, three orders, and the unmerge: everybody has what is theirs, to the cent")
    func mergedAndUnmerged() async throws {
        try await TestBrand.with { brand in
            func buy(_ key: String, _ identifiers: [IdentifierKind: String], _ total: String) throws -> Event
            {
                try .sample(key, .purchase, identifiers, properties: #"{"total": "\#(total)"}"#)
            }
            try await brand.write([
                buy("1", [.email: "ann@b.com"], "10.01"),
                buy("2", [.email: "anne@b.com", .phone: "+12025550102"], "20.02"),
            ])
            let ann = try #require(try await brand.profile(of: "email ann@b.com"))
            let anne = try #require(try await brand.profile(of: "email anne@b.com"))
            let report = try await brand.decide(.merge(ann, anne))
            #expect(report.before.count == 2 && report.after.count == 1)
            #expect(try await brand.orders(of: "email anne@b.com") == "2 for 30.03")
            #expect(try await brand.profile(of: "email anne@b.com") == min(ann, anne))
            try await brand.write([
                buy("3", [.email: "anne@b.com"], "0.10"), buy("4", [.email: "anne@b.com"], "0.20"),
                buy("5", [.phone: "+12025550102"], "0.40"),
            ])
            #expect(try await brand.orders(of: "email ann@b.com") == "5 for 30.73")
            try await brand.expectHealthy()

            let merged = min(ann, anne)
            let leaving = [try await brand.id("email anne@b.com"), try await brand.id("phone +12025550102")]
            try await brand.decide(.unmerge(merged, separating: leaving))
            #expect(try await brand.profile(of: "email ann@b.com") == ann)
            #expect(try await brand.profile(of: "email anne@b.com") == anne)
            #expect(try await brand.orders(of: "email ann@b.com") == "1 for 10.01")
            #expect(try await brand.orders(of: "email anne@b.com") == "4 for 20.72")
            try await brand.expectHealthy()
            let history = try await brand.database.run(
                """
                select action, base_profile_id, merged_profile_id, actor || ': ' || reason,
                       after_snapshot -> 'merged' ->> 'lifetimeValue'
                from merge_history order by created_at, action
                """
            ).decode((String, ProfileID, ProfileID, String, String?).self)
            #expect(history.map(\.0) == ["merge", "unmerge"])
            #expect(history.allSatisfy { $0.1 == merged && $0.2 == max(ann, anne) })
            #expect(history.allSatisfy { $0.3 == "sre@example.com: they asked" })
            #expect(history.last?.4 == (ann < anne ? "20.72" : "10.01"))

            try await brand.write([buy("6", [.email: "ann@b.com", .phone: "+12025550102"], "1.00")])
            #expect(try await brand.places()["6"] == "phone +12025550102")
            #expect(try await brand.rows().isEmpty)
            #expect(try await brand.people().count == 2)
            try await brand.expectHealthy()
        }
    }

    @Test("what must never come together is not, neither straight nor through a third, until that is allowed")
    func never() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                .sample("1", [.email: "x@b.com"]), .sample("2", [.email: "y@b.com"]),
                .sample("3", [.loyaltyID: "z"]),
            ])
            let x = try #require(try await brand.profile(of: "email x@b.com"))
            let y = try #require(try await brand.profile(of: "email y@b.com"))
            try await brand.decide(.never(x, y))
            #expect(try await brand.refusal(.never(x, y))?.code == .conflict)
            #expect(
                try await brand.refusal(.merge(x, y))?.detail
                    == "email x@b.com and email y@b.com must never come together: allow that first")
            try await brand.write([.sample("4", [.email: "x@b.com", .loyaltyID: "z"])])
            try await brand.write([.sample("5", [.email: "y@b.com", .loyaltyID: "z"])])
            #expect(try await brand.people().count == 2)
            let rows = try await brand.rows()
            try #require(rows.count == 1)
            #expect(rows[0].events == 1)
            #expect(try await brand.refusal(.approve(rows[0].id))?.code == .conflict)
            #expect(try await brand.preview(.approve(rows[0].id)).refusal?.code == .conflict)
            // Allowed, the pairs across are checked anew, the held one with them.
            try await brand.decide(.allow(x, y))
            #expect(try await brand.people().count == 1)
            #expect(try await brand.statuses() == ["merged"])
            try await brand.expectHealthy()
        }
    }

    @Test("a never holds for values that are blocked or shared meanwhile, also when an event ties them then")
    func neverFlagged() async throws {
        for isBlocked in [true, false] {
            try await TestBrand.with { brand in
                try await brand.write([.sample("1", [.email: "x@b.com"]), .sample("2", [.loyaltyID: "y"])])
                let x = try #require(try await brand.profile(of: "email x@b.com"))
                let y = try #require(try await brand.profile(of: "loyalty_id y"))
                try await brand.decide(.never(x, y))
                let value = IdentifierID(x.uuid)
                try await brand.decide(isBlocked ? .block(value) : .share(value))
                try await brand.decide(.share(IdentifierID(y.uuid)))
                try await brand.write([.sample("3", [.email: "x@b.com", .loyaltyID: "y"])])
                try await brand.expectHealthy()
                try await brand.decide(isBlocked ? .unblock(value) : .unshare(value))
                try await brand.decide(.unshare(IdentifierID(y.uuid)))
                #expect(try await brand.people().count == 2)
                try await brand.expectHealthy()
            }
        }
    }

    @Test("a rejected pair that a merge alone had made stays out of force when an event ties it later")
    func rejectedMerge() async throws {
        try await TestBrand.with { brand in
            let (phone, email, loyalty) = ("phone +12025550101", "email a@b.com", "loyalty_id l")
            try await brand.write([
                .sample("1", [.phone: "+12025550101", .loyaltyID: "l"]), .sample("2", [.email: "a@b.com"]),
            ])
            let one = try #require(try await brand.profile(of: phone))
            let other = try #require(try await brand.profile(of: email))
            try await brand.decide(.merge(one, other))
            // Without the phone the merge ties the other two, until they are parted; with it, it would bring
            // them together again.
            try await brand.decide(.block(brand.id(phone)))
            let rest = try #require(try await brand.profile(of: loyalty))
            try await brand.decide(.unmerge(rest, separating: [brand.id(email)]))
            try await brand.decide(.unblock(brand.id(phone)))
            #expect(try await brand.people() == [[phone, loyalty], [email]])
            let row = try #require(try await brand.rows().first)
            try await brand.decide(.reject(row.id))
            let held = try #require(try await brand.profile(of: phone))
            try await brand.decide(.unmerge(held, separating: [brand.id(phone)]))
            try await brand.expectHealthy()
            try await brand.write([.sample("3", [.phone: "+12025550101", .email: "a@b.com"])])
            #expect(try await brand.people() == [[phone], [email], [loyalty]])
            #expect(try await brand.rows().isEmpty)
            try await brand.expectHealthy()
        }
    }

    @Test("a family's phone: three people with e-mails of their own, and its own profile")
    func shared() async throws {
        try await TestBrand.with { brand in
            for (name, total) in [("a", "1.00"), ("b", "2.00"), ("c", "4.00")] {
                try await brand.write([
                    .sample(
                        name, .purchase, [.email: "\(name)@b.com", .phone: "+12025550100"],
                        properties: #"{"total": "\#(total)"}"#)
                ])
            }
            try await brand.write([
                .sample("d", .purchase, [.phone: "+12025550100"], properties: #"{"total": "8.00"}"#)
            ])
            #expect(try await brand.people().count == 1)
            try await brand.decide(.share(brand.id("phone +12025550100")))
            #expect(try await brand.people().count == 4)
            #expect(try await brand.orders(of: "phone +12025550100") == "1 for 8")
            #expect(try await brand.orders(of: "email b@b.com") == "1 for 2")
            try await brand.expectHealthy()
            let family = try #require(try await brand.profile(of: "phone +12025550100"))
            let other = try #require(try await brand.profile(of: "email b@b.com"))
            #expect(try await brand.refusal(.merge(family, other))?.code == .conflict)
            try await brand.decide(.unshare(brand.id("phone +12025550100")))
            #expect(try await brand.people().count == 1)
            #expect(try await brand.orders(of: "email b@b.com") == "4 for 15")
            try await brand.expectHealthy()
        }
    }

    @Test("a decision touches nothing beyond what it can change")
    func region() async throws {
        try await TestBrand.with { brand in
            for number in 0..<10 {
                try await brand.write([
                    .sample(
                        "\(number)", .purchase, [.email: "e\(number)@b.com", .deviceID: "d\(number)"],
                        properties: #"{"total": "1.00"}"#)
                ])
            }
            func versions() async throws -> [String] {
                var versions: [String] = []
                for table in [
                    "customer_profile", "customer_identifier", "customer_raw_event", "customer_order",
                ] {
                    versions += try await brand.database.run(
                        "select \(table) || ' ' || id || ' ' || xmin from \(identifier: table)"
                    ).decode(String.self)
                }
                return versions
            }
            let before = try await versions()
            let one = try #require(try await brand.profile(of: "email e1@b.com"))
            let other = try #require(try await brand.profile(of: "email e2@b.com"))
            try await brand.decide(.merge(one, other))
            try await brand.decide(.block(brand.id("email e3@b.com")))
            let changed = Set(before).subtracting(try await versions())
            // Three profiles that lose or gain; and of the one that came into another, and of the one that is
            // blocked, the identifier, the event and the order. The blocked one's device gets a profile.
            #expect(changed.count == 9, "\(changed)")
        }
    }
}
