import Contract
import Customers
import Kernel
import Testing

@Suite("The newest decision about a pair or a value wins")
struct DecisionLogTests {
    // By priority: two phones, two e-mails, a loyalty id, and a device. The later of a kind has a smaller id.
    private static let ids = (0..<6).map {
        IdentifierID(UUIDv7(high: UInt64([2, 1, 4, 3, 0, 5][$0]), low: 0))
    }
    private static let kinds: [IdentifierID: Identifier.Kind] = [
        ids[0]: .phone, ids[1]: .phone, ids[2]: .email, ids[3]: .email, ids[4]: .loyaltyID, ids[5]: .deviceID,
    ]
    private static let pair = IdentifierPair(ids[0], ids[2])

    /// A log of decisions about the pair alone, or about its first end.
    private static func log(_ kinds: [IdentityDecision.Kind]) -> DecisionLog {
        let decisions = kinds.enumerated().map { index, kind in
            let isValue = [.block, .unblock, .share, .unshare].contains(kind)
            return IdentityDecision(
                sequence: Int64(index + 1), kind: kind, left: [ids[0]], right: isValue ? [] : [ids[2]])
        }
        return DecisionLog(decisions.reversed(), kinds: Self.kinds)
    }

    @Test(
        "a pair stands as the newest decision says",
        arguments: [
            ([], "in_force", "out"), ([.hold], "held", "held"), ([.hold, .approve], "in_force", "in_force"),
            ([.hold, .reject], "out", "out"), ([.hold, .reject, .merge], "in_force", "in_force"),
            ([.merge, .unmerge], "out", "out"), ([.merge, .unmerge, .allow], "in_force", "in_force"),
            ([.never], "out", "out"), ([.never, .allow], "in_force", "out"),
            ([.never, .allow, .hold], "held", "held"), ([.merge, .hold], "held", "held"),
            ([.merge, .never, .merge], "in_force", "in_force"), ([.reject, .allow], "in_force", "out"),
            ([.merge, .block], "in_force", "out"), ([.block, .merge, .unblock], "in_force", "in_force"),
        ] as [([IdentityDecision.Kind], String, String)])
    func standing(kinds: [IdentityDecision.Kind], tied: String, untied: String) {
        let log = Self.log(kinds)
        #expect(log.standing(of: Self.pair, isTied: true).state.rawValue == tied)
        #expect(log.standing(of: Self.pair, isTied: false).state.rawValue == untied)
    }

    @Test("a held pair names the newest decision that holds it")
    func hold() {
        #expect(Self.log([.hold, .reject, .hold]).standing(of: Self.pair, isTied: true).hold == 3)
        #expect(Self.log([.hold, .approve]).standing(of: Self.pair, isTied: true).hold == nil)
    }

    @Test("a value has the flag of its newest decision")
    func flags() {
        #expect(Self.log([.block]).flags == [Self.ids[0]: .blocked])
        #expect(Self.log([.block, .share]).flags == [Self.ids[0]: .shared])
        #expect(Self.log([.share, .block]).flags == [Self.ids[0]: .blocked])
        #expect(Self.log([.block, .unshare]).flags.isEmpty)
        #expect(Self.log([.share, .unblock]).flags.isEmpty)
    }

    @Test("a never stands pair by pair until it is allowed")
    func nevers() {
        let ids = Self.ids
        let decisions = [
            IdentityDecision(sequence: 1, kind: .never, left: [ids[0], ids[1]], right: [ids[2], ids[3]]),
            IdentityDecision(sequence: 2, kind: .allow, left: [ids[2]], right: [ids[0]]),
            IdentityDecision(sequence: 3, kind: .approve, left: [ids[0]], right: [ids[3]]),
        ]
        let log = DecisionLog(decisions, kinds: Self.kinds)
        #expect(
            log.nevers == [
                IdentifierPair(ids[0], ids[3]), IdentifierPair(ids[1], ids[2]),
                IdentifierPair(ids[1], ids[3]),
            ])
    }

    @Test("a merge chooses the first pair by priority that nothing excludes")
    func choice() {
        let ids = Self.ids
        let merge = IdentityDecision(sequence: 2, kind: .merge, left: [ids[4], ids[1]], right: ids)
        func chosen(_ others: IdentityDecision...) -> [IdentifierPair: Int64] {
            DecisionLog([merge] + others, kinds: Self.kinds).chosen
        }
        func decision(_ sequence: Int64, _ kind: IdentityDecision.Kind, _ one: Int, _ other: Int?)
            -> IdentityDecision
        {
            IdentityDecision(
                sequence: sequence, kind: kind, left: [ids[one]], right: other.map { [ids[$0]] } ?? [])
        }
        // Of one kind the smaller id comes first, and the better end counts before the other.
        #expect(chosen() == [IdentifierPair(ids[1], ids[0]): 2])
        #expect(chosen(decision(1, .reject, 1, 0)) == [IdentifierPair(ids[1], ids[0]): 2])
        #expect(chosen(decision(3, .reject, 1, 0)) == [IdentifierPair(ids[1], ids[3]): 2])
        #expect(
            chosen(decision(3, .reject, 1, 0), decision(4, .approve, 1, 0))
                == [IdentifierPair(ids[1], ids[0]): 2])
        #expect(chosen(decision(3, .share, 0, nil)) == [IdentifierPair(ids[1], ids[3]): 2])
        #expect(chosen(decision(1, .block, 1, nil)) == [IdentifierPair(ids[0], ids[4]): 2])
        let all = IdentityDecision(sequence: 3, kind: .unmerge, left: [ids[1], ids[4]], right: ids)
        #expect(DecisionLog([merge, all], kinds: Self.kinds).chosen.isEmpty)
    }

    @Test("a pair that was merged, held, approved or rejected has its standing though no event ties it")
    func asserted() {
        #expect(Self.log([.merge, .hold]).asserted == [Self.pair])
        #expect(Self.log([.merge, .hold, .approve]).asserted == [Self.pair])
        #expect(Self.log([.merge, .hold, .reject]).asserted == [Self.pair])
        #expect(Self.log([.hold, .reject, .allow]).asserted.isEmpty)
    }
}
