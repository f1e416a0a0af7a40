import Contract
import Customers
import Kernel
import TestSupport
import Testing

@Suite("A weak identifier is owned by sign-ins")
struct WeakOwnershipTests {
    private static let ann = IdentifierID(UUIDv7(high: 1, low: 0))
    private static let bob = IdentifierID(UUIDv7(high: 2, low: 0))
    private static let day: Int64 = 24 * 3600 * 1_000_000

    private static func order(_ microseconds: Int64, _ key: String = "k") -> EventOrder {
        EventOrder(occurredAt: Timestamp(microseconds: microseconds), key: key, source: "api")
    }

    @Test("a sign-in owns for less than 30 days, and reaches back 30 days and no more")
    func thirtyDays() {
        let owned = WeakOwnership(sightings: [(Self.order(0), owner: Self.ann)])
        let edge = 30 * Self.day
        #expect(owned.owner(at: Self.order(edge - 1), isSignOut: false) == Self.ann)
        #expect(owned.owner(at: Self.order(edge), isSignOut: false) == nil)
        #expect(owned.owner(at: Self.order(-edge), isSignOut: false) == Self.ann)
        #expect(owned.owner(at: Self.order(-edge - 1), isSignOut: false) == nil)
        #expect(owned.owner(at: Self.order(edge - 1), isSignOut: true) == Self.ann)
        #expect(owned.owner(at: Self.order(-1), isSignOut: true) == nil, "nothing reaches back to a sign-out")
    }

    @Test("the next sign-in reaches back as far as the end of the ownership before it")
    func reachesBack() {
        let owned = WeakOwnership(
            sightings: [(Self.order(40 * Self.day), owner: Self.bob), (Self.order(0), owner: Self.ann)])
        #expect(owned.owner(at: Self.order(30 * Self.day - 1), isSignOut: false) == Self.ann)
        #expect(owned.owner(at: Self.order(30 * Self.day), isSignOut: false) == Self.bob)
        #expect(owned.owner(at: Self.order(40 * Self.day), isSignOut: false) == Self.bob)
        #expect(owned.firstOwner == Self.ann)
    }

    @Test("a sign-out ends an ownership, and the next sign-in reaches back as far as it")
    func signOut() {
        let owned = WeakOwnership(
            sightings: [
                (Self.order(0), owner: Self.ann), (Self.order(10), owner: nil),
                (Self.order(20), owner: Self.bob),
            ])
        #expect(owned.owner(at: Self.order(9), isSignOut: false) == Self.ann)
        #expect(owned.owner(at: Self.order(10), isSignOut: true) == Self.ann)
        #expect(owned.owner(at: Self.order(11), isSignOut: false) == Self.bob)
        let leaving = WeakOwnership(
            sightings: [(Self.order(10), owner: nil), (Self.order(20), owner: Self.bob)])
        #expect(leaving.owner(at: Self.order(9), isSignOut: false) == nil)
        #expect(leaving.owner(at: Self.order(10), isSignOut: true) == nil)
        #expect(leaving.owner(at: Self.order(11), isSignOut: false) == Self.bob)
        #expect(leaving.firstOwner == Self.bob)
    }

    @Test("at one instant the order of keys decides, by bytes")
    func oneInstant() {
        let owned = WeakOwnership(
            sightings: [(Self.order(0, "b"), owner: Self.ann), (Self.order(0, "é"), owner: Self.bob)])
        #expect(owned.owner(at: Self.order(0, "a"), isSignOut: false) == Self.ann)
        #expect(owned.owner(at: Self.order(0, "z"), isSignOut: false) == Self.ann)
        #expect(owned.owner(at: Self.order(0, "é."), isSignOut: false) == Self.bob)
    }

    @Test("owners by halving are the owners by the words of the rule", arguments: 0..<200)
    func byTheWords(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let people = [Self.ann, Self.bob, nil]
        let sightings = (0..<Int.random(in: 0...8, using: &random)).map { index in
            (
                Self.order(Int64.random(in: 0...12, using: &random) * 10 * Self.day, "k\(index)"),
                owner: people.randomElement(using: &random)!
            )
        }
        let owned = WeakOwnership(sightings: sightings)
        for tenth in -5...18 {
            for key in ["a", "k0.", "k4.", "z"] {
                let order = Self.order(Int64(tenth) * 10 * Self.day, key)
                #expect(
                    owned.owner(at: order, isSignOut: false) == Self.owner(at: order, among: sightings),
                    "seed \(seed) at \(tenth) \(key)")
            }
        }
    }

    /// The rule, read aloud: who owns from before, else the first who reaches back.
    private static func owner(
        at order: EventOrder, among sightings: [(EventOrder, owner: IdentifierID?)]
    ) -> IdentifierID? {
        let span = Duration.seconds(30 * 24 * 3600)
        let signIns = sightings.filter { $0.owner != nil }.sorted { $0.0 < $1.0 }
        for signIn in signIns where signIn.0 < order && order.occurredAt < signIn.0.occurredAt + span {
            if !sightings.contains(where: { signIn.0 < $0.0 && $0.0 < order }) { return signIn.owner }
        }
        for signIn in signIns where order < signIn.0 && order.occurredAt >= signIn.0.occurredAt - span {
            let leaves = sightings.contains { $0.owner == nil && order < $0.0 && $0.0 < signIn.0 }
            if !leaves { return signIn.owner }
        }
        return nil
    }
}
