import Contract
import Postgres

/// What a decision about pairs can change, and what is needed to say how: the part of the brand that is
/// worked out again.
struct DecisionRegion {
    /// The identifiers that the decision names, and those that merges name beside them: all that is said of
    /// pairs with one of these is in `decisions`.
    let named: Set<IdentifierID>
    let decisions: [IdentityDecision]
    /// The strong identifiers of all profiles that may change, with flags as they are after the decision.
    let members: Set<IdentifierID>
    /// The members, and whatever else is at an end of a pair or comes with an event.
    private(set) var entries: [IdentifierID: DecisionStore.Entry]
    /// Every stored pair of a member.
    let pairs: [IdentifierPair: DecisionStore.Pair]
    /// The pairs that joined profiles before the decision.
    let joined: Set<IdentifierPair>
    let nevers: [IdentifierID: Set<IdentifierID>]

    var kinds: [IdentifierID: Identifier.Kind] { entries.mapValues(\.kind) }

    /// Enters identifiers of events, whose profiles play a part in limits.
    mutating func enter(_ others: [IdentifierID: DecisionStore.Entry]) {
        entries.merge(others) { known, _ in known }
    }

    func flag(of identifier: IdentifierID) -> DecisionLog.Flag? { entries[identifier]?.flag }

    func isUnflagged(_ pair: IdentifierPair) -> Bool {
        flag(of: pair.low) == nil && flag(of: pair.high) == nil
    }

    /// What the log says of each stored pair, and of those that it asserts.
    func standings(by log: DecisionLog) -> [IdentifierPair: DecisionLog.Standing] {
        var standings = pairs.mapValues { DecisionLog.Standing(state: $0.state, hold: $0.hold) }
        for (pair, stored) in pairs where isNamed(pair) {
            standings[pair] = log.standing(of: pair, isTied: stored.isTied)
        }
        for pair in log.asserted where isNamed(pair) && pairs[pair] == nil {
            standings[pair] = log.standing(of: pair, isTied: false)
        }
        return standings
    }

    /// Whether all that is said of a pair is in `decisions`.
    func isNamed(_ pair: IdentifierPair) -> Bool {
        named.contains(pair.low) || named.contains(pair.high)
    }
}

extension DecisionRegion {
    /// Reads what `decision`, which is in the log already, can change.
    ///
    /// - Parameter former: of a decision about a value, the flag that it had before.
    init(
        of decision: IdentityDecision, former: DecisionLog.Flag?, in transaction: PostgresTransaction
    ) async throws {
        let store = DecisionStore()
        (named, decisions) = try await DecisionRegion.log(around: decision, in: transaction)
        let direct = try await store.entries(named, in: transaction)
        var ends = Set(direct.values.filter(\.isStrong).map(\.id))
        if decision.isAboutValue {
            let ties = try await store.pairs(of: decision.left, in: transaction)
            ends.formUnion(ties.keys.flatMap { [$0.low, $0.high] })
        }
        var entries = try await store.entries(ends, in: transaction)
        let profiles = Set(entries.values.compactMap(\.profile))
        entries.merge(try await store.entries(in: profiles, in: transaction)) { known, _ in known }
        entries = entries.filter { $0.value.isStrong }
        members = Set(entries.keys)
        pairs = try await store.pairs(of: Array(members), in: transaction)
        let beyond = Set(pairs.keys.flatMap { [$0.low, $0.high] }).subtracting(members)
        entries.merge(try await store.entries(beyond, in: transaction)) { known, _ in known }
        entries.merge(direct) { known, _ in known }
        nevers = try await IdentityStore().nevers(Array(entries.keys), in: transaction)
        let value = decision.isAboutValue ? decision.left.first : nil
        let before = { (id: IdentifierID) in id == value ? former : entries[id]?.flag }
        joined = Set(
            pairs.filter {
                $0.value.state == .inForce && before($0.key.low) == nil && before($0.key.high) == nil
            }
            .keys)
        self.entries = entries
    }

    /// The decisions that say anything of pairs of the decision's identifiers. What a merge says hangs on all
    /// that is said of all its identifiers.
    private static func log(
        around decision: IdentityDecision, in transaction: PostgresTransaction
    ) async throws -> (named: Set<IdentifierID>, decisions: [IdentityDecision]) {
        var named: Set<IdentifierID> = []
        var new = Set(decision.left + decision.right)
        var decisions: [Int64: IdentityDecision] = [:]
        while !new.isEmpty {
            named.formUnion(new)
            let found = try await DecisionStore().decisions(naming: Array(new), in: transaction)
            for decision in found { decisions[decision.sequence] = decision }
            new = Set(found.filter { $0.kind == .merge }.flatMap { $0.left + $0.right }).subtracting(named)
        }
        return (named, decisions.values.sorted { $0.sequence < $1.sequence })
    }
}

extension IdentityDecision {
    /// Whether it is about one value, and not about pairs.
    var isAboutValue: Bool {
        switch kind {
        case .block, .unblock, .share, .unshare: true
        case .hold, .reject, .approve, .merge, .unmerge, .never, .allow: false
        }
    }

    /// The pairs that it is about: those that it lists, or every pair across its two sets; none of a value.
    var pairs: [IdentifierPair] {
        switch kind {
        case .hold, .reject, .approve: zip(left, right).map { IdentifierPair($0, $1) }
        default: left.flatMap { one in right.filter { $0 != one }.map { IdentifierPair(one, $0) } }
        }
    }
}
