import Contract
import Events
import Kernel

/// Decides, without a database, where events belong: the identifiers that are known go in, what is new comes
/// out. Events are resolved one after the other, so how they are batched makes no difference.
///
/// An event is placed on its usable strong identifier of highest priority, else on its weak one. Its strong
/// identifiers are tied in pairs: what is new comes into the profile of what is known, and a pair that would
/// join two profiles is recorded as pending, for a re-fold to join.
struct IdentityResolution {
    struct Known {
        let id: IdentifierID
        var profile: ProfileID?
    }

    struct New {
        let identifier: Identifier
        let id: IdentifierID
        let firstSeenAt: Timestamp
    }

    struct Pair: Hashable {
        let low: IdentifierID
        let high: IdentifierID

        init(_ one: IdentifierID, _ other: IdentifierID) {
            low = min(one, other)
            high = max(one, other)
        }
    }

    struct Tie {
        let pair: Pair
        let isPending: Bool
        let event: EventID
        let at: Timestamp
    }

    private(set) var known: [Identifier: Known]
    /// Identifiers first seen here, in order.
    private(set) var new: [New] = []
    /// Pairs that events tied, each once, in order.
    private(set) var ties: [Tie] = []
    /// Known identifiers that came into a profile.
    private(set) var joined: [Identifier] = []
    /// Profiles that did not exist before, with when they were made.
    private(set) var newProfiles: [ProfileID: Timestamp] = [:]
    /// Profiles whose identifiers have changed, new ones included.
    private(set) var changedProfiles: Set<ProfileID> = []

    private var tied: Set<Pair> = []
    private var ids: UUIDv7Sequence

    /// - Parameters:
    ///   - known: what the database has of the identifiers that will come.
    ///   - newest: the largest id that any identifier has, so that new ones are larger.
    init(known: [Identifier: Known], newest: IdentifierID?) {
        self.known = known
        ids = UUIDv7Sequence(after: newest?.uuid)
    }

    /// Places one event by its identifiers; nil for an event that belongs to nobody.
    mutating func place(_ sent: IdentifierNormaliser.Result, event: EventID, at instant: Timestamp)
        -> Placement?
    {
        for identifier in sent.usable { enter(identifier, at: instant) }
        let strong = sent.usable.filter { $0.kind.strength == .strong }
        tie(strong, event: event, at: instant)
        if let first = strong.first { return placement(on: first, at: instant) }
        guard !sent.hasUnusableStrong, let weak = sent.usable.first(where: { $0.kind.strength == .weak })
        else {
            return nil
        }
        return placement(on: weak, at: instant)
    }

    private mutating func enter(_ identifier: Identifier, at instant: Timestamp) {
        guard known[identifier] == nil else { return }
        let id = IdentifierID(ids.next(at: instant))
        known[identifier] = Known(id: id, profile: nil)
        new.append(New(identifier: identifier, id: id, firstSeenAt: instant))
    }

    /// Brings those that are in no profile into the first one, by priority, that any of them has, and records
    /// each pair.
    private mutating func tie(_ strong: [Identifier], event: EventID, at instant: Timestamp) {
        guard strong.count > 1, let smallest = strong.compactMap({ known[$0]?.id }).min() else { return }
        let profile =
            strong.lazy.compactMap { [known] in known[$0]?.profile }.first
            ?? make(ProfileID(smallest.uuid), at: instant)
        for identifier in strong { bring(identifier, into: profile) }
        for (index, one) in strong.enumerated() {
            for other in strong[(index + 1)...] {
                guard let left = known[one], let right = known[other] else { continue }
                let pair = Pair(left.id, right.id)
                guard tied.insert(pair).inserted else { continue }
                ties.append(
                    Tie(pair: pair, isPending: left.profile != right.profile, event: event, at: instant))
            }
        }
    }

    private mutating func placement(on identifier: Identifier, at instant: Timestamp) -> Placement? {
        guard let entry = known[identifier] else { return nil }
        let profile = entry.profile ?? make(ProfileID(entry.id.uuid), at: instant)
        bring(identifier, into: profile)
        return Placement(identifier: entry.id, profile: profile)
    }

    private mutating func make(_ profile: ProfileID, at instant: Timestamp) -> ProfileID {
        newProfiles[profile] = instant
        return profile
    }

    private mutating func bring(_ identifier: Identifier, into profile: ProfileID) {
        guard known[identifier]?.profile == nil else { return }
        known[identifier]?.profile = profile
        changedProfiles.insert(profile)
        joined.append(identifier)
    }
}
