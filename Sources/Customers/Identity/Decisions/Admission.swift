import Contract
import Kernel

/// Says which pairs that a decision brings into force may join profiles, and which a limit holds.
///
/// What the decision itself asserts is outside the limits. Of the rest, what events tied is checked as on
/// arrival, in event order; then what was merged or approved before, by sequence, against `never` only.
struct Admission {
    /// The strong identifiers of an event that bear on pairs in question, by priority.
    typealias Tie = [IdentifierID]

    /// What is held, to be logged: the holds of one event, or of one decision, and one limit together.
    private(set) var holds: [IdentityArrival.Verdict] = []
    /// The pairs that join profiles after the decision.
    private(set) var joined: Set<IdentifierPair>
    let log: DecisionLog
    /// What the log says of pairs.
    let standings: [IdentifierPair: DecisionLog.Standing]

    private let region: DecisionRegion
    private let decisions: [IdentityDecision]
    private var sets: ProfileSets

    /// - Parameters:
    ///   - decisions: the region's, and holds that were logged since.
    ///   - admitted: pairs that have passed before such holds.
    init(_ region: DecisionRegion, decisions: [IdentityDecision], admitted: Set<IdentifierPair>) {
        self.region = region
        self.decisions = decisions
        log = DecisionLog(decisions, kinds: region.kinds)
        standings = region.standings(by: log)
        let effective = Set(
            standings.filter { $0.value.state == .inForce && region.isUnflagged($0.key) }.keys)
        joined = effective
        sets = Admission.sets(region, effective.intersection(region.joined.union(admitted)), standings)
    }

    /// Goes through the pairs that were not in force before.
    ///
    /// - Throws: the pair of a `never` which stands between the sides of what `decision` asserts.
    mutating func admit(
        by decision: IdentityDecision, ties: [Tie], passed: Set<IdentifierPair>
    ) throws(Forbidden) {
        var new = joined.subtracting(region.joined).subtracting(passed)
        for pair in asserted(by: decision) where joined.contains(pair) {
            new.remove(pair)
            if sets.home(of: pair.low) == sets.home(of: pair.high) { continue }
            if let never = sets.never(across: pair) { throw Forbidden(pair: never) }
            sets.join(pair)
        }
        let said = new.filter { log.standing(of: $0, isTied: false).state == .inForce }
        admitTied(new.subtracting(said), ties)
        admitSaid(said)
        joined.subtract(holds.flatMap(\.pairs))
    }

    /// A `never` that stands between two sides.
    struct Forbidden: Error {
        let pair: IdentifierPair
    }

    private func asserted(by decision: IdentityDecision) -> [IdentifierPair] {
        switch decision.kind {
        case .approve: decision.pairs
        case .merge: log.chosen.filter { $0.value == decision.sequence }.map(\.key)
        default: []
        }
    }

    private mutating func admitTied(_ pairs: Set<IdentifierPair>, _ ties: [Tie]) {
        var open = pairs
        var overfull: [IdentifierPair: Int] = [:]
        var held: [Int: [IdentifierPair]] = [:]
        for (place, tie) in ties.enumerated() {
            let free = tie.filter { region.flag(of: $0) == nil }
            let isWithinLimit = Set(free.map(sets.home)).count <= ProfileSets.profilesAtOnce
            var limits: [ProfileSets.Limit: [IdentifierPair]] = [:]
            for (index, one) in free.enumerated() {
                for other in free[(index + 1)...] {
                    let pair = IdentifierPair(one, other)
                    guard open.contains(pair) else { continue }
                    if sets.home(of: one) == sets.home(of: other) {
                        open.remove(pair)
                        overfull[pair] = nil
                    } else if !isWithinLimit {
                        if overfull[pair] == nil { overfull[pair] = place }
                    } else if let limit = sets.limit(on: pair) {
                        // What too large an event has brought goes on waiting for one that passes.
                        guard overfull[pair] == nil else { continue }
                        open.remove(pair)
                        limits[limit, default: []].append(pair)
                    } else {
                        open.remove(pair)
                        overfull[pair] = nil
                        sets.join(pair)
                    }
                }
            }
            hold(limits)
        }
        for (pair, place) in overfull { held[place, default: []].append(pair) }
        for pair in open.subtracting(overfull.keys).sorted(by: { ($0.low, $0.high) < ($1.low, $1.high) })
        where sets.home(of: pair.low) != sets.home(of: pair.high) {
            if let limit = sets.limit(on: pair) { hold([limit: [pair]]) } else { sets.join(pair) }
        }
        for (_, pairs) in held.sorted(by: { $0.key < $1.key }) { hold([.profiles: pairs]) }
    }

    private mutating func admitSaid(_ pairs: Set<IdentifierPair>) {
        let bySequence = Dictionary(grouping: pairs, by: sequence)
        for (_, pairs) in bySequence.sorted(by: { $0.key < $1.key }) {
            var held: [IdentifierPair] = []
            for pair in pairs.sorted(by: { ($0.low, $0.high) < ($1.low, $1.high) })
            where sets.home(of: pair.low) != sets.home(of: pair.high) {
                if sets.never(across: pair) == nil { sets.join(pair) } else { held.append(pair) }
            }
            if !held.isEmpty { hold([.never: held]) }
        }
    }

    private mutating func hold(_ pairs: [ProfileSets.Limit: [IdentifierPair]]) {
        for limit in [ProfileSets.Limit.profiles, .kind, .never] {
            guard let pairs = pairs[limit] else { continue }
            let sorted = pairs.sorted { ($0.low, $0.high) < ($1.low, $1.high) }
            holds.append(.init(kind: .hold, limit: limit, pairs: sorted))
        }
    }

    /// The newest merge or approval that asserts a pair.
    private func sequence(of pair: IdentifierPair) -> Int64 {
        let approvals = decisions.filter { $0.kind == .approve && $0.pairs.contains(pair) }
        return max(log.chosen[pair] ?? 0, approvals.map(\.sequence).max() ?? 0)
    }

    /// The profiles of the region, as the pairs in `joined` make them, with what is blocked beside them.
    private static func sets(
        _ region: DecisionRegion, _ joined: Set<IdentifierPair>,
        _ standings: [IdentifierPair: DecisionLog.Standing]
    ) -> ProfileSets {
        var components = Components()
        for pair in joined { components.join(pair.low, pair.high) }
        var sets = ProfileSets(nevers: region.nevers)
        for (id, entry) in region.entries where entry.isStrong && entry.flag == nil {
            let isMember = region.members.contains(id)
            sets.enter(
                id, kind: entry.kind,
                profile: isMember ? ProfileID(components.smallest(of: id).uuid) : entry.profile)
        }
        for (pair, standing) in standings where standing.state == .inForce {
            for (one, other) in [(pair.low, pair.high), (pair.high, pair.low)]
            where region.flag(of: one) == .blocked && region.flag(of: other) == nil {
                sets.enter(blocked: one, tiedTo: other)
            }
        }
        return sets
    }
}
