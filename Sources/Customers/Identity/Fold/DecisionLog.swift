import Contract

/// What the log of decisions says of values and pairs: the newest decision about each wins.
///
/// A hold, reject or approve is about the pairs that it lists; an unmerge, never or allow about every pair
/// across its two sets; a merge about the one pair that it chooses. Decisions about pairs name strong
/// identifiers.
package struct DecisionLog: Sendable {
    /// What is said of a value.
    package enum Flag: String, Sendable {
        /// Absent: it neither ties nor places.
        case blocked
        /// A strong value ties nothing and still holds what is placed on it; a weak one does nothing.
        case shared
    }

    /// What is said of a pair, whatever flags its two ends have.
    package struct Standing: Sendable, Equatable {
        package enum State: String, Sendable {
            case inForce = "in_force"
            case held, out
        }

        package let state: State
        /// The decision that holds it, when it is held.
        package let hold: Int64?

        package init(state: State, hold: Int64? = nil) {
            self.state = state
            self.hold = hold
        }
    }

    /// The flag of each value that has one.
    package private(set) var flags: [IdentifierID: Flag] = [:]
    /// The pairs that must not come into one profile: those whose newest never, unmerge or allow is no allow.
    package private(set) var nevers: Set<IdentifierPair> = []
    /// The pairs that merges choose, each with the newest such merge.
    package private(set) var chosen: [IdentifierPair: Int64] = [:]
    /// The newest decision about each pair, merges aside.
    private var newest: [IdentifierPair: (sequence: Int64, kind: IdentityDecision.Kind)] = [:]

    /// - Parameters:
    ///   - decisions: in any order.
    ///   - kinds: of all identifiers that the merges name.
    package init(_ decisions: [IdentityDecision], kinds: [IdentifierID: Identifier.Kind]) {
        let log = decisions.sorted { $0.sequence < $1.sequence }
        for decision in log { read(decision) }
        // A merge chooses by the flags of today and by what was said after it, so merges come last.
        for merge in log where merge.kind == .merge {
            if let pair = choice(of: merge, kinds: kinds) { chosen[pair] = merge.sequence }
        }
    }

    /// What the log says of a pair.
    ///
    /// - Parameter isTied: whether an event ties it.
    package func standing(of pair: IdentifierPair, isTied: Bool) -> Standing {
        let merge = chosen[pair]
        guard let said = newest[pair], said.sequence > merge ?? .min else {
            return Standing(state: isTied || merge != nil ? .inForce : .out)
        }
        switch said.kind {
        case .approve: return Standing(state: .inForce)
        case .allow: return Standing(state: isTied || merge != nil ? .inForce : .out)
        case .hold: return Standing(state: .held, hold: said.sequence)
        default: return Standing(state: .out)
        }
    }

    /// Whether the newest decision about a pair rejects it: it stays out of force whatever events tie it.
    package func isRejected(_ pair: IdentifierPair) -> Bool {
        guard let said = newest[pair], said.sequence > chosen[pair] ?? .min else { return false }
        return said.kind == .reject
    }

    /// The pairs that the log puts in force, holds or rejects even where no event ties them.
    package var asserted: Set<IdentifierPair> {
        let named = newest.filter { [.approve, .hold, .reject].contains($0.value.kind) }
        return Set(named.keys).union(chosen.keys)
    }

    /// Takes in the next decision; what it says of a value or a pair replaces what was said before.
    private mutating func read(_ decision: IdentityDecision) {
        switch decision.kind {
        case .hold, .reject, .approve: say(decision, about: decision.listed)
        case .never, .unmerge:
            say(decision, about: decision.across)
            nevers.formUnion(decision.across)
        case .allow:
            say(decision, about: decision.across)
            nevers.subtract(decision.across)
        case .merge: break
        case .block: for value in decision.left { flags[value] = .blocked }
        case .share: for value in decision.left { flags[value] = .shared }
        case .unblock, .unshare: for value in decision.left { flags[value] = nil }
        }
    }

    private mutating func say(_ decision: IdentityDecision, about pairs: [IdentifierPair]) {
        for pair in pairs { newest[pair] = (decision.sequence, decision.kind) }
    }

    /// The first pair across the merge's two sets, by priority, that no flag and no newer decision excludes.
    private func choice(of merge: IdentityDecision, kinds: [IdentifierID: Identifier.Kind]) -> IdentifierPair?
    {
        let usable = { (identifiers: [IdentifierID]) in
            identifiers.compactMap { id -> Rank? in
                guard let kind = kinds[id], kind.strength == .strong, flags[id] == nil else { return nil }
                return Rank(kind: kind, id: id)
            }
        }
        let (left, right) = (usable(merge.left), usable(merge.right))
        var first: (higher: Rank, lower: Rank)?
        for one in left {
            for other in right where one.id != other.id {
                let candidate = (higher: min(one, other), lower: max(one, other))
                if let first, first <= candidate { continue }
                if !isExcluded(IdentifierPair(one.id, other.id), since: merge.sequence) { first = candidate }
            }
        }
        return first.map { IdentifierPair($0.higher.id, $0.lower.id) }
    }

    private func isExcluded(_ pair: IdentifierPair, since merge: Int64) -> Bool {
        guard let said = newest[pair], said.sequence > merge else { return false }
        return said.kind != .approve && said.kind != .allow
    }
}

/// An identifier's place by priority: by its kind, then by its id.
private struct Rank: Comparable {
    let place: Int
    let id: IdentifierID

    init(kind: Identifier.Kind, id: IdentifierID) {
        place = Identifier.Kind.allCases.firstIndex(of: kind) ?? Identifier.Kind.allCases.count
        self.id = id
    }

    static func < (left: Rank, right: Rank) -> Bool { (left.place, left.id) < (right.place, right.id) }
}

extension IdentityDecision {
    /// The pairs of a decision that lists pairs.
    fileprivate var listed: [IdentifierPair] { zip(left, right).map { IdentifierPair($0, $1) } }

    /// Every pair across the two sets of a decision that names sets.
    fileprivate var across: [IdentifierPair] {
        left.flatMap { one in right.filter { $0 != one }.map { IdentifierPair(one, $0) } }
    }
}
