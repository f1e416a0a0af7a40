import Contract
import Events
import Kernel

/// Takes in the events of a batch one after the other, in the order of events: gives ids to identifiers that
/// are new, ties pairs, and holds those that a limit forbids to join profiles (`identity.md`, "Limits").
///
/// It has no database: what is known goes in, what changes comes out.
struct IdentityArrival {
    /// What the database has of an identifier.
    struct Known: Sendable {
        let id: IdentifierID
        let profile: ProfileID?
        let flag: DecisionLog.Flag?
    }

    /// An identifier that is first seen here.
    struct New {
        let identifier: Identifier
        let id: IdentifierID
        let firstSeenAt: Timestamp
    }

    /// What is known of a pair.
    struct KnownPair {
        var state: DecisionLog.Standing.State
        /// Why it is held, when a limit holds it.
        var limit: ProfileSets.Limit?
        /// Whether an event has tied it; else a merge alone has made it.
        var isTied: Bool
    }

    /// What a limit has decided about pairs of one event.
    struct Verdict {
        let kind: IdentityDecision.Kind
        let limit: ProfileSets.Limit
        let pairs: [IdentifierPair]
    }

    private(set) var known: [Identifier: Known]
    private(set) var new: [New] = []
    private(set) var sets: ProfileSets
    /// All pairs of the batch, as they are after it.
    private(set) var pairs: [IdentifierPair: KnownPair]
    /// Pairs that are new or have changed, in the order of their change.
    private(set) var changedPairs: [IdentifierPair] = []
    private(set) var verdicts: [Verdict] = []
    private var ids: UUIDv7Sequence
    /// Identifiers that some event before the present one carries.
    private var seen: Set<IdentifierID>

    /// - Parameters:
    ///   - known: what the database has of the identifiers that will come.
    ///   - newest: the largest id that any identifier has, so that new ones are larger.
    ///   - pairs: what the database has of the pairs that will come.
    ///   - sets: the profiles of the known identifiers.
    init(
        known: [Identifier: Known], newest: IdentifierID?, pairs: [IdentifierPair: KnownPair],
        sets: ProfileSets
    ) {
        self.known = known
        self.pairs = pairs
        self.sets = sets
        ids = UUIDv7Sequence(after: newest?.uuid)
        seen = Set(known.values.map(\.id))
    }

    /// Gives an id to each of an event's identifiers that has none. To be called for events as they arrived.
    mutating func enter(_ identifiers: [Identifier], at instant: Timestamp) {
        for identifier in identifiers where known[identifier] == nil {
            let id = IdentifierID(ids.next(at: instant))
            known[identifier] = Known(id: id, profile: nil, flag: nil)
            new.append(New(identifier: identifier, id: id, firstSeenAt: instant))
            if identifier.kind.strength == .strong { sets.enter(id, kind: identifier.kind, profile: nil) }
        }
    }

    /// Takes in an event's strong identifiers, and ties each pair of them unless it is one that never ties.
    /// To be called in the order of events, when all events have entered their identifiers.
    mutating func take(_ identifiers: [Identifier], ties: Bool) {
        let strong = identifiers.filter { $0.kind.strength == .strong }.compactMap { known[$0] }
        defer { seen.formUnion(strong.map(\.id)) }
        guard ties, strong.count > 1 else { return }
        let free = strong.filter { $0.flag == nil }.map(\.id)
        let profiles = Set(free.filter(seen.contains).map(sets.home))
        let isWithinLimit = profiles.count <= ProfileSets.profilesAtOnce
        var held: [ProfileSets.Limit: [IdentifierPair]] = [:]
        for (index, one) in strong.enumerated() {
            for other in strong[(index + 1)...] {
                let pair = IdentifierPair(one.id, other.id)
                let isFree = one.flag == nil && other.flag == nil
                guard pairs[pair] == nil else {
                    comeAgain(pair, isFree: isFree && isWithinLimit)
                    continue
                }
                if let limit = come(pair, isFree: isFree, isWithinLimit: isWithinLimit) {
                    held[limit, default: []].append(pair)
                }
            }
        }
        for limit in [ProfileSets.Limit.profiles, .kind, .never] {
            guard let pairs = held[limit] else { continue }
            verdicts.append(Verdict(kind: .hold, limit: limit, pairs: pairs))
        }
    }

    /// Enters a new pair; gives the limit that holds it.
    private mutating func come(
        _ pair: IdentifierPair, isFree: Bool, isWithinLimit: Bool
    ) -> ProfileSets.Limit? {
        guard isFree else {
            set(pair, sets.isForbidden(pair) ? .out : .inForce)
            return nil
        }
        guard !sets.isForbidden(pair) else {
            set(pair, .out)
            return nil
        }
        if sets.home(of: pair.low) != sets.home(of: pair.high) {
            if let limit = isWithinLimit ? sets.limit(on: pair) : .profiles {
                set(pair, .held, limit)
                return limit
            }
            sets.join(pair)
        }
        set(pair, .inForce)
        return nil
    }

    /// A pair that comes again asks nothing. One that an event with too many profiles has brought is checked
    /// anew when it comes in an event with few.
    private mutating func comeAgain(_ pair: IdentifierPair, isFree: Bool) {
        guard var entry = pairs[pair] else { return }
        let isApart = sets.home(of: pair.low) != sets.home(of: pair.high)
        if entry.state == .held, entry.limit == .profiles, isFree, isApart,
            !sets.isForbidden(pair), sets.limit(on: pair) == nil
        {
            sets.join(pair)
            set(pair, .inForce)
            verdicts.append(Verdict(kind: .approve, limit: .profiles, pairs: [pair]))
        } else if !entry.isTied {
            entry.isTied = true
            pairs[pair] = entry
            changedPairs.append(pair)
        }
    }

    private mutating func set(
        _ pair: IdentifierPair, _ state: DecisionLog.Standing.State, _ limit: ProfileSets.Limit? = nil
    ) {
        pairs[pair] = KnownPair(state: state, limit: limit, isTied: true)
        changedPairs.append(pair)
    }
}

extension IdentityArrival {
    /// Where an event belongs by its strong identifiers.
    enum StrongPlace {
        case on(Known)
        /// It carries a strong identifier that is blocked or unusable, and no other.
        case nowhere
        /// It carries none, so its weak ones say.
        case byWeak
    }

    func place(_ sent: IdentifierNormaliser.Result) -> StrongPlace {
        let strong = sent.usable.filter { $0.kind.strength == .strong }.compactMap { known[$0] }
        if let first = strong.first(where: { $0.flag == nil }) ?? strong.first(where: { $0.flag == .shared })
        {
            return .on(first)
        }
        return strong.isEmpty && !sent.hasUnusableStrong ? .byWeak : .nowhere
    }

    /// The profile that a strong identifier is in after the batch; nil for a blocked one.
    func profile(of identifier: Known) -> ProfileID? {
        switch identifier.flag {
        case .blocked: nil
        case .shared: ProfileID(identifier.id.uuid)
        case nil: ProfileID(sets.home(of: identifier.id).uuid)
        }
    }
}
