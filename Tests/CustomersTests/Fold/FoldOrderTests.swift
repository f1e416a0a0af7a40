import Contract
import Customers
import TestSupport
import Testing

@testable import TestHistories

@Suite("The fold of random histories")
struct FoldOrderTests {
    @Test("events and decisions in 20 random orders give one result", arguments: 0..<60)
    func anyOrder(seed: UInt64) {
        let brand = Brand(history: RandomHistory(seed: seed))
        let expected = brand.folded()
        let places = Dictionary(
            uniqueKeysWithValues: zip(brand.events.map(\.order), expected.placements))
        var random = SeededGenerator(seed: seed)
        for _ in 0..<20 {
            let events = brand.events.shuffled(using: &random)
            let folded = IdentityFold.fold(
                events: events, kinds: brand.kinds, decisions: brand.decisions.shuffled(using: &random))
            #expect(folded.placements == events.map { places[$0.order]! }, "seed \(seed)")
            #expect(folded.profileOf == expected.profileOf, "seed \(seed)")
            #expect(folded.pairs == expected.pairs, "seed \(seed)")
            #expect(folded.nevers == expected.nevers, "seed \(seed)")
            #expect(folded.flags == expected.flags, "seed \(seed)")
            #expect(folded.ownerships == expected.ownerships, "seed \(seed)")
            #expect(folded.questions == expected.questions, "seed \(seed)")
        }
    }

    @Test("profiles are what pairs in force connect, and take the smallest id", arguments: 0..<60)
    func connectedness(seed: UInt64) {
        let brand = Brand(history: RandomHistory(seed: seed))
        let folded = brand.folded()
        var smallest: [IdentifierID: IdentifierID] = [:]
        for (id, kind) in brand.kinds where kind.strength == .strong && folded.flags[id] != .blocked {
            smallest[id] = id
        }
        let joined = folded.pairs.filter {
            $0.value.standing.state == .inForce && folded.flags[$0.key.low] == nil
                && folded.flags[$0.key.high] == nil
        }
        // As often as there are identifiers is often enough for the smallest to reach everybody.
        for _ in smallest {
            for pair in joined.keys {
                let least = min(smallest[pair.low]!, smallest[pair.high]!)
                smallest[pair.low] = least
                smallest[pair.high] = least
            }
        }
        let strong = folded.profileOf.filter { brand.kinds[$0.key]?.strength == .strong }
        #expect(strong.mapValues(\.uuid) == smallest.mapValues(\.uuid), "seed \(seed)")
        let placedOn = Set(folded.placements.compactMap { $0 })
        let weak = Set(folded.profileOf.keys).subtracting(strong.keys)
        #expect(weak == placedOn.subtracting(strong.keys), "seed \(seed)")
        #expect(placedOn.allSatisfy { folded.flags[$0] != .blocked }, "seed \(seed)")
    }

    @Test("a flag and the flag taken back leave no trace", arguments: 0..<60)
    func reversible(seed: UInt64) {
        var brand = Brand(history: RandomHistory(seed: seed))
        let before = brand.folded()
        var random = SeededGenerator(seed: seed)
        let unflagged = brand.kinds.keys.filter { before.flags[$0] == nil }.sorted()
        for _ in 0..<5 {
            let value = unflagged.randomElement(using: &random)!
            let blocks = Bool.random(using: &random)
            brand.log(blocks ? .block : .share, [value])
            brand.log(blocks ? .unblock : .unshare, [value])
        }
        #expect(brand.folded() == before, "seed \(seed)")
    }

    @Test("the histories hold, question, join and part")
    func denominator() {
        let folded = (0..<60).map { Brand(history: RandomHistory(seed: $0)).folded() }
        let questions = folded.filter { !$0.questions.isEmpty }.count
        let values = folded.filter { $0.questions.contains { $0.row.identifier != nil } }.count
        let nevers = folded.filter { !$0.nevers.isEmpty }.count
        let merges = folded.filter { $0.pairs.values.contains { !$0.isTied } }.count
        let outs = folded.filter { $0.pairs.values.contains { $0.isTied && $0.standing.state == .out } }.count
        print(
            "of \(folded.count) histories: questions \(questions), about a value \(values),",
            "nevers \(nevers), merged and not tied \(merges), tied and out \(outs)")
        #expect([questions, values, nevers, merges, outs].allSatisfy { $0 >= 6 })
    }
}
