import Customers
import Testing

@Suite("An event is placed by its identifiers and their flags")
struct PlacementTests {
    private let ann = "email ann@x.com"
    private let phone = "phone +919876543210"

    @Test("an owner of a lesser weak identifier counts more than a better one without")
    func ownerFirst() {
        var brand = Brand()
        brand.send("cookie_id c", ann)
        brand.send("device_id d", "cookie_id c", at: 1)
        brand.send("device_id d", at: 2)
        #expect(brand.placements() == [ann, ann, "device_id d"])
        #expect(brand.folded().profileOf[brand.id("device_id d")] != nil)
    }

    @Test("of two owned weak identifiers the better one's owner counts")
    func firstByPriority() {
        var brand = Brand()
        brand.send("cookie_id c", "email bob@x.com")
        brand.send("device_id d", ann)
        brand.send("cookie_id c", "device_id d", at: 1)
        #expect(brand.placements().last == ann)
    }

    @Test("a flagged weak identifier owns and places nothing, and has its owners again without the flag")
    func flaggedWeak() {
        var brand = Brand()
        brand.send("device_id d", ann)
        brand.send("device_id d", at: 1)
        brand.send("device_id d", "qr_id q", at: 2)
        for (flag, back) in [
            (IdentityDecision.Kind.share, IdentityDecision.Kind.unshare), (.block, .unblock),
        ] {
            brand.decide(flag, ["device_id d"])
            #expect(brand.placements() == [ann, nil, "qr_id q"])
            #expect(brand.folded().ownerships[brand.id("device_id d")]?.sightings.count == 1)
            brand.decide(back, ["device_id d"])
            #expect(brand.placements() == [ann, ann, ann])
        }
    }

    @Test("who signs in under a flagged identifier owns by the next one, and by none when there is none")
    func flaggedOwner() {
        var brand = Brand()
        brand.send("device_id d", phone, ann)
        brand.send("device_id d", at: 1)
        #expect(brand.placements() == [phone, phone])
        brand.decide(.share, [phone])
        #expect(brand.placements() == [ann, ann])
        brand.decide(.block, [ann])
        #expect(brand.placements() == [phone, phone], "a shared one owns if there is no other")
        brand.decide(.block, [phone])
        #expect(brand.placements() == [nil, "device_id d"])
    }

    @Test("of two shared strong identifiers the better one places")
    func bothShared() {
        var brand = Brand()
        brand.send(ann, phone)
        brand.decide(.share, [phone])
        brand.decide(.share, [ann])
        #expect(brand.placements() == [phone])
        #expect(brand.people() == [[phone], [ann]])
    }

    @Test("a blocked identifier beside a usable one is absent")
    func blockedBeside() {
        var brand = Brand()
        brand.send(phone, ann)
        brand.decide(.block, [phone])
        #expect(brand.placements() == [ann])
        #expect(brand.people() == [[ann]])
    }

    @Test("a sign-out with a strong identifier is placed on it, and signs nobody in")
    func namedSignOut() {
        var brand = Brand()
        brand.send("device_id d", "email bob@x.com", at: 0)
        brand.send("device_id d", ann, at: 10, type: .signOut)
        brand.send("device_id d", at: 20)
        #expect(brand.placements() == ["email bob@x.com", ann, "device_id d"])
    }

    @Test("a sign-out is still the owner's")
    func signOut() {
        var brand = Brand()
        brand.send("device_id d", ann)
        brand.send("device_id d", at: 10, type: .signOut)
        brand.send("device_id d", at: 20, type: .signOut)
        #expect(brand.placements() == [ann, ann, "device_id d"])
    }

    @Test("whatever was seen alone has a profile, also with nothing placed on it")
    func alone() {
        var brand = Brand()
        brand.send(phone, ann)
        brand.decide(.never, [phone], [ann])
        #expect(brand.people() == [[phone], [ann]])
    }
}
