import Events
import Kernel
import Testing

@testable import TestHistories

@Suite("Random histories are hard in many ways")
struct RandomHistoryTests {
    @Test("each feature is in a tenth of the histories or more")
    func shares() {
        let histories = (0..<300).map { RandomHistory(seed: $0) }
        let shares = RandomHistory.shares(of: histories)
        for feature in HistoryFeature.allCases {
            #expect(shares[feature, default: 0] >= 0.1, "\(feature)")
        }
        let listed = HistoryFeature.allCases.map { "\($0) \(Int(shares[$0, default: 0] * 100)) %" }
        print("of \(histories.count) histories: \(listed.joined(separator: ", "))")
    }

    @Test("the same seed gives the same history")
    func sameSeed() {
        #expect(RandomHistory(seed: 5).sent == RandomHistory(seed: 5).sent)
        #expect(RandomHistory(seed: 5).sent != RandomHistory(seed: 6).sent)
    }

    @Test("keys are unique, and an event has at most one identifier of a kind")
    func wellFormed() {
        for seed in 0..<100 as Range<UInt64> {
            let sent = RandomHistory(seed: seed).sent
            #expect(Set(sent.map(\.key)).count == sent.count, "seed \(seed)")
            for one in sent {
                #expect(Set(one.identifiers.map(\.kind)).count == one.identifiers.count, "seed \(seed)")
                #expect(!one.identifiers.isEmpty || one.type == .purchase, "seed \(seed)")
                #expect((one.order != nil) == (one.type == .purchase), "seed \(seed)")
            }
        }
    }

    @Test("the door takes every event for what it is")
    func door() throws {
        for seed in 0..<20 as Range<UInt64> {
            for sent in RandomHistory(seed: seed).sent {
                let receivedAt = sent.occurredAt + .seconds(1)
                let reader = EventReader(
                    sender: .init(source: Sent.source, isTest: false), receivedAt: receivedAt)
                let event = try reader.event(JSONText.checking(Array(sent.json.utf8)), fallbackKey: "")
                let expected = sent.event(receivedAt: receivedAt)
                #expect(event.key == expected.key && event.source == expected.source)
                #expect(event.type == expected.type && event.occurredAt == expected.occurredAt)
                #expect(Set(event.identifiers) == Set(expected.identifiers))
                #expect(event.channel == expected.channel && event.properties == expected.properties)
            }
        }
    }

    @Test("a long history is of more people, and no longer in time")
    func long() {
        for seed in 0..<5 as Range<UInt64> {
            let sent = RandomHistory(seed: seed, sends: 10_000).sent
            #expect(sent.count >= 10_000)
            #expect(Set(sent.flatMap(\.identifiers)).count > 2_000, "seed \(seed)")
            let instants = sent.map(\.occurredAt)
            #expect(instants.max()! - instants.min()! < .seconds(2 * 365 * 24 * 3600), "seed \(seed)")
        }
    }

    @Test("a tame history has at most three of what limits count, whatever its order")
    func tame() {
        for seed in 0..<100 as Range<UInt64> {
            var brand = Brand()
            let history = RandomHistory(seed: seed, sends: seed % 20 == 0 ? 600 : 60, isTame: true)
            for sent in history.sent { brand.take(sent) }
            let folded = brand.folded()
            #expect(history.sent.count == history.steps.count, "seed \(seed)")
            let profiles = Dictionary(grouping: folded.profileOf.keys) { folded.profileOf[$0]! }
            for members in profiles.values {
                let kinds = Dictionary(grouping: members) { brand.kinds[$0]! }
                #expect(kinds.values.allSatisfy { $0.count <= 3 }, "seed \(seed)")
            }
            for event in brand.events {
                let strong = event.carried.filter { $0.kind.strength == .strong }
                #expect(strong.count <= 3, "seed \(seed)")
            }
            for owned in folded.ownerships.values {
                #expect(Set(owned.sightings.compactMap(\.owner)).count <= 3, "seed \(seed)")
            }
        }
    }
}
