import Contract
import Customers
import Testing

/// The examples of the identity page, as far as events and a log written by hand show them.
@Suite("The fold does the worked examples")
struct WorkedExampleTests {
    private let phone = "phone +919876543210"

    @Test("an event that carries both makes one of two, whatever came first")
    func oneOfTwo() {
        var brand = Brand()
        brand.send("email a@x.com")
        brand.send("email a@x.com", phone)
        brand.send(phone)
        #expect(brand.people() == [["email a@x.com", phone]])
        #expect(brand.placements() == ["email a@x.com", phone, phone])
        let email = brand.id("email a@x.com")
        #expect(brand.folded().profileOf[brand.id(phone)]?.uuid == email.uuid)
    }

    @Test("four that one event would join wait in one row, and the event is placed on its phone")
    func fourHeld() {
        let four = [phone, "email d@x.com", "loyalty_id d", "upi_id d@upi"]
        var brand = Brand()
        for one in four { brand.send(one) }
        brand.send(four[0], four[1], four[2], four[3])
        #expect(brand.people().count == 1, "without a limit's decision the fold joins them")
        brand.decide(
            .hold, [four[0], four[0], four[0], four[1], four[1], four[2]],
            [four[1], four[2], four[3], four[2], four[3], four[3]])
        #expect(brand.people().count == 4)
        #expect(brand.placements().last == phone)
        let questions = brand.folded().questions
        #expect(questions.map(\.events) == [1])
        #expect(questions.first?.row.profiles == four.map { ProfileID(brand.id($0).uuid) })
        #expect(questions.first?.row.pairs.count == 6)
        let pairs = brand.folded().pairs.values
        #expect(pairs.allSatisfy { $0.isTied && $0.standing == .init(state: .held, hold: 1) })

        brand.decide(.approve, [phone, phone, phone], ["email d@x.com", "loyalty_id d", "upi_id d@upi"])
        #expect(brand.people().count == 1)
        #expect(brand.folded().questions.isEmpty, "what is held inside one profile asks nothing")
    }

    @Test("the fourth e-mail of a phone waits, and what else comes with it joins the phone")
    func fourthEmail() {
        var brand = Brand()
        for index in 1...4 { brand.send("email \(index)@x.com", phone) }
        brand.decide(.hold, ["email 4@x.com"], [phone])
        brand.send("email 4@x.com", "loyalty_id l", phone)
        brand.decide(.hold, ["email 4@x.com"], ["loyalty_id l"])
        #expect(
            brand.people() == [
                [phone, "email 1@x.com", "email 2@x.com", "email 3@x.com", "loyalty_id l"], ["email 4@x.com"],
            ])
        #expect(brand.folded().questions.map(\.events) == [2])
    }

    @Test("a cookie's hours belong to whoever signed in, and nobody is joined")
    func cookie() {
        var brand = Brand()
        brand.send("cookie_id c", at: -60)
        brand.send("cookie_id c", "email ann@x.com", at: 0)
        brand.send("cookie_id c", at: 30)
        brand.send("cookie_id c", "email bob@x.com", at: 60)
        brand.send("cookie_id c", at: 90)
        let (ann, bob) = ("email ann@x.com", "email bob@x.com")
        #expect(brand.placements() == [ann, ann, ann, bob, bob])
        #expect(brand.people() == [[ann], [bob]])
        #expect(brand.folded().ownerships[brand.id("cookie_id c")]?.firstOwner == brand.id(ann))
        #expect(brand.folded().profileOf[brand.id("cookie_id c")] == nil, "nothing is placed on it")
    }

    @Test("a phone is one identifier however it is written, and by whichever channel")
    func onePhone() {
        var brand = Brand()
        brand.send("whatsapp +91 98765 43210")
        brand.send("phone 098765 43210")
        #expect(brand.people() == [[phone]])
    }

    @Test("the last four digits of a card tie nothing and place nothing")
    func card() {
        var brand = Brand()
        brand.send("card_last4 4242", "email a@x.com")
        brand.send("card_last4 4242", "email b@x.com")
        brand.send("card_last4 4242")
        #expect(brand.people() == [["email a@x.com"], ["email b@x.com"]])
        #expect(brand.placements().last == .some(nil))
        #expect(brand.folded().profileOf[brand.id("card_last4 4242")] == nil)
    }

    @Test("a sale whose only phone is blocked or no phone is a guest's, also on a tablet with an owner")
    func guest() {
        var brand = Brand()
        brand.send("device_id tablet", "email staff@x.com")
        brand.send("device_id tablet", phone, at: 10)
        brand.send("device_id tablet", "phone 123", at: 20)
        brand.send("device_id tablet", at: 30)
        brand.decide(.block, [phone])
        #expect(brand.placements() == ["email staff@x.com", nil, nil, "email staff@x.com"])
    }

    @Test("an unmerge gives a person back all that carries her identifiers, and asks nothing later")
    func mergeAndUnmerge() {
        let (ann, anne) = ("email ann@x.com", "email anne@x.com")
        var brand = Brand()
        brand.send(ann, phone)
        brand.send(anne)
        brand.decide(.merge, [ann, phone], [anne])
        #expect(brand.people() == [[phone, ann, anne]])
        let chosen = IdentifierPair(brand.id(phone), brand.id(anne))
        #expect(brand.folded().pairs[chosen]?.isTied == false)
        for minute in 1...3 { brand.send(anne, at: minute) }
        brand.decide(.unmerge, [ann, phone], [anne])
        #expect(brand.folded().pairs[chosen] == nil, "nothing says anything for it any more")
        brand.send(phone, anne, at: 9)
        let folded = brand.folded()
        #expect(brand.people() == [[phone, ann], [anne]])
        #expect(folded.profileOf[brand.id(anne)]?.uuid == brand.id(anne).uuid)
        #expect(brand.placements() == [phone, anne, anne, anne, anne, phone])
        #expect(folded.questions.isEmpty)
        #expect(folded.nevers.count == 2)
    }

    @Test("a never keeps two apart when an event ties them, and a hold when a third would")
    func never() {
        let (x, y, z) = ("email x@x.com", "email y@x.com", "loyalty_id z")
        var brand = Brand()
        brand.send(x)
        brand.send(y)
        brand.decide(.never, [x], [y])
        brand.send(x, y)
        brand.send(x, z)
        brand.send(y, z)
        brand.decide(.hold, [y], [z])
        #expect(brand.people() == [[x, z], [y]])
        #expect(brand.folded().questions.map(\.row.pairs) == [[IdentifierPair(brand.id(y), brand.id(z))]])
        brand.decide(.allow, [x], [y])
        #expect(
            brand.people() == [[x, y, z]], "the tie is back in force, and the hold is inside one profile")
    }

    @Test("a value that ten rows hold is one question, and blocked it has never been")
    func popularValue() {
        var brand = Brand()
        for person in 0..<13 { brand.send("email test@test.com", "loyalty_id \(person)") }
        for person in 3..<13 { brand.decide(.hold, ["email test@test.com"], ["loyalty_id \(person)"]) }
        let questions = brand.folded().questions
        #expect(questions.map(\.events) == [10])
        #expect(questions.first?.row.identifier == brand.id("email test@test.com"))
        #expect(questions.first?.row.profiles.count == 11)
        brand.decide(.share, ["email test@test.com"])
        #expect(brand.folded().questions.isEmpty)
        brand.decide(.block, ["email test@test.com"])
        #expect(brand.people() == Set((0..<13).map { ["loyalty_id \($0)"] }))
        #expect(brand.folded().questions.isEmpty)
        #expect(brand.folded().profileOf[brand.id("email test@test.com")] == nil)
    }

    @Test("a shared phone joins nobody, and keeps the orders that carry nothing else")
    func familyPhone() {
        var brand = Brand()
        for name in ["a", "b", "c"] { brand.send(phone, "email \(name)@x.com") }
        brand.send(phone)
        brand.decide(.share, [phone])
        #expect(brand.people() == [[phone], ["email a@x.com"], ["email b@x.com"], ["email c@x.com"]])
        #expect(brand.placements() == ["email a@x.com", "email b@x.com", "email c@x.com", phone])
        brand.decide(.unshare, [phone])
        #expect(brand.people().count == 1)
        #expect(brand.placements() == [phone, phone, phone, phone])
    }
}
