import Contract
import Customers
import Kernel
import Postgres
import Testing

@testable import Events

@Suite("Decisions are refused")
struct DecisionRefusalTests {
    @Test("what can mean nothing is refused with the reason, and nothing changes")
    func meaningless() async throws {
        try await TestBrand.with { brand in
            try await brand.write([
                .sample("1", [.email: "a@b.com", .phone: "+12025550101"]), .sample("2", [.email: "b@b.com"]),
                .sample("3", [.deviceID: "d"]), .sample("4", [.cardLast4: "4242"]),
            ])
            let a = try #require(try await brand.profile(of: "email a@b.com"))
            let b = try #require(try await brand.profile(of: "email b@b.com"))
            let device = try #require(try await brand.profile(of: "device_id d"))
            let email = try await brand.id("email a@b.com")
            let phone = try await brand.id("phone +12025550101")
            let card = try await brand.id("card_last4 4242")
            let nobody = UUIDv7(at: SystemWallClock().now())
            let refused: [(DecisionRequest, Fault.Code, String)] = [
                (.merge(a, a), .invalid, "a profile cannot be merged with itself"),
                (.never(a, a), .invalid, "parted by an unmerge"),
                (.allow(a, b), .conflict, "nothing keeps them apart"),
                (.merge(a, ProfileID(nobody)), .notFound, "there is no profile"),
                (.merge(a, device), .invalid, "device_id d alone"),
                (.merge(a, ProfileID(card.uuid)), .invalid, "card_last4 4242 alone"),
                (.merge(b, ProfileID(max(email, phone).uuid)), .conflict, "is profile \(a) now"),
                (.unmerge(a, separating: []), .invalid, "no identifier was named"),
                (.unmerge(a, separating: [email, phone]), .invalid, "nothing would stay"),
                (.unmerge(a, separating: [IdentifierID(b.uuid)]), .conflict, "email b@b.com is not in"),
                (.unmerge(a, separating: [IdentifierID(device.uuid)]), .invalid, "proves nobody"),
                (.unmerge(a, separating: [IdentifierID(nobody)]), .notFound, "there is no identifier"),
                (.block(IdentifierID(nobody)), .notFound, "there is no identifier"),
                (.block(card), .invalid, "neither ties nor places"),
                (.unblock(email), .conflict, "email a@b.com is not blocked"),
                (.unshare(email), .conflict, "email a@b.com is not shared"),
                (.approve(ReviewRowID(nobody)), .notFound, "there is no row"),
                (.reject(ReviewRowID(nobody)), .notFound, "there is no row"),
            ]
            for (request, code, words) in refused {
                let fault = try #require(try await brand.refusal(request), "\(request)")
                #expect(fault.code == code && fault.detail.contains(words), "\(request): \(fault)")
            }
            try await brand.decide(.block(email))
            #expect(try await brand.refusal(.block(email))?.detail == "email a@b.com is blocked already")
            #expect(
                try await brand.refusal(.merge(b, ProfileID(email.uuid)))?.detail
                    == "email a@b.com is blocked, and has no profile")
            try await brand.decide(.share(IdentifierID(b.uuid)))
            #expect(try await brand.refusal(.share(IdentifierID(b.uuid)))?.code == .conflict)
            try await brand.expectHealthy()
        }
    }

    @Test("what has changed since it was shown is refused")
    func changed() async throws {
        try await TestBrand.with { brand in
            try await brand.write([.sample("1", [.email: "a@b.com"]), .sample("2", [.email: "b@b.com"])])
            let a = try #require(try await brand.profile(of: "email a@b.com"))
            let b = try #require(try await brand.profile(of: "email b@b.com"))
            let shown = try await brand.preview(.merge(a, b)).shown
            try await brand.write([.sample("3", [.email: "b@b.com", .loyaltyID: "l"])])
            #expect(
                try await brand.refusal(.merge(a, b), shown: shown)?.detail
                    == "what it is about has changed since it was shown")
            try await brand.decide(.merge(a, b), shown: brand.preview(.merge(a, b)).shown)
            #expect(try await brand.people().count == 1)
        }
    }

    @Test("a process that is fenced decides nothing")
    func fenced() async throws {
        try await TestBrand.with { brand in
            try await brand.write([.sample("1", [.email: "a@b.com"])])
            try await brand.database.run("update writer_lease set generation = 2")
            let fault = try await brand.refusal(.block(brand.id("email a@b.com")))
            #expect(fault?.code == .conflict)
        }
    }

    @Test("an author without a name or a reason is none")
    func author() {
        #expect(throws: Fault.self) { try DecisionAuthor(actor: "", reason: "x") }
        #expect(throws: Fault.self) { try DecisionAuthor(actor: "x", reason: "") }
        #expect(throws: Fault.self) {
            try DecisionAuthor(actor: "x", reason: String(repeating: "x", count: 1001))
        }
    }

    @Test("any id once given out leads to a profile; a blocked one is gone, and says what it tied")
    func resolving() async throws {
        try await TestBrand.with { brand in
            let list = ProfileListStore(database: brand.database)
            try await brand.write([.sample("1", [.deviceID: "d"])])
            let device = ProfileID(try await brand.id("device_id d").uuid)
            #expect(try await list.resolve(device) == device)
            try await brand.write([
                .sample("2", [.email: "a@b.com", .deviceID: "d"]), .sample("3", [.phone: "+12025550101"]),
            ])
            let ann = try #require(try await brand.profile(of: "email a@b.com"))
            #expect(try await list.resolve(device) == ann)
            try await brand.write([.sample("4", [.email: "a@b.com", .phone: "+12025550101"])])
            let phone = ProfileID(try await brand.id("phone +12025550101").uuid)
            #expect(try await list.resolve(phone) == ann)
            #expect(try await list.resolve(ProfileID(UUIDv7(at: SystemWallClock().now()))) == nil)
            try await brand.decide(.block(brand.id("email a@b.com")))
            do {
                _ = try await list.show(ann)
                Issue.record("a blocked identifier has a profile")
            } catch let fault as Fault {
                #expect(fault.code == .gone)
                #expect(fault.detail == "email a@b.com is blocked; it tied \(phone)")
            }
        }
    }
}
