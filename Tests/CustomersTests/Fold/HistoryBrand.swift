import Contract
import Customers
import TestSupport

@testable import TestHistories

extension Brand {
    /// A brand that has lived through a history, with a log as people and a limit might have written it. The
    /// limit of this brand is a whim: it holds some of what would join profiles.
    init(history: RandomHistory) {
        var random = SeededGenerator(seed: history.seed)
        self.init()
        for step in history.steps {
            switch step {
            case .decide(let intent): carryOut(intent)
            case .send(let sent):
                let before = folded()
                take(sent)
                hold(newSince: before, using: &random)
            }
        }
    }

    private mutating func hold(newSince before: FoldedIdentity, using random: inout SeededGenerator) {
        guard let carried = events.last?.carried.filter({ $0.kind.strength == .strong }), carried.count > 1
        else { return }
        let after = folded()
        let new = after.pairs.keys.filter { pair in
            before.pairs[pair] == nil && after.pairs[pair]?.standing.state == .inForce
                && (before.profileOf[pair.low] != before.profileOf[pair.high]
                    || before.profileOf[pair.low] == nil)
        }.sorted { ($0.low, $0.high) < ($1.low, $1.high) }
        let reachesLimit = new.count > 3 || carried.contains { text($0.id).contains("test@") }
        guard !new.isEmpty, reachesLimit || Int.random(in: 0..<5, using: &random) == 0 else { return }
        log(.hold, new.map(\.low), new.map(\.high))
    }

    private mutating func carryOut(_ intent: RandomHistory.Intent) {
        switch intent {
        case .block(let value): flag(.block, value)
        case .unblock(let value): flag(.unblock, value)
        case .share(let value): flag(.share, value)
        case .unshare(let value): flag(.unshare, value)
        case .merge(let one, let other): merge(one, other)
        case .unmerge(let left, let right): part(.unmerge, left, right)
        case .never(let left, let right): part(.never, left, right)
        case .allow(let left, let right): part(.allow, left, right)
        case .approve(let place): answer(.approve, place)
        case .reject(let place): answer(.reject, place)
        }
    }

    private mutating func flag(_ kind: IdentityDecision.Kind, _ value: Identifier) {
        if let id = known(value) { log(kind, [id]) }
    }

    private mutating func merge(_ one: Identifier, _ other: Identifier) {
        let profileOf = folded().profileOf
        guard let left = known(one).flatMap({ profileOf[$0] }),
            let right = known(other).flatMap({ profileOf[$0] }), left != right
        else { return }
        let sides = [left, right].map { side in profileOf.filter { $0.value == side }.keys.sorted() }
        log(.merge, sides[0], sides[1])
    }

    private mutating func part(
        _ kind: IdentityDecision.Kind, _ left: [Identifier], _ right: [Identifier]
    ) {
        let sides = [left, right].map { side in side.compactMap { known($0) } }
        if !sides[0].isEmpty, !sides[1].isEmpty { log(kind, sides[0], sides[1]) }
    }

    private mutating func answer(_ kind: IdentityDecision.Kind, _ place: Int) {
        let questions = folded().questions
        guard !questions.isEmpty else { return }
        let pairs = questions[place % questions.count].row.pairs
        log(kind, pairs.map(\.low), pairs.map(\.high))
    }
}
