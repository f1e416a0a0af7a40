import Contract

/// The profiles that a batch touches, as sets of strong identifiers that are joined while it is read.
///
/// A set is named by its smallest identifier, whose id is the profile's.
struct ProfileSets {
    /// One profile, or one identifier that is not in any yet.
    struct Members {
        /// Strong identifiers, neither blocked nor shared by themselves.
        var identifiers: [IdentifierID] = []
        /// How many identifiers of each strong kind.
        var kinds: [Identifier.Kind: Int] = [:]
        /// What a `never` may name: the identifiers, and the blocked ones that are tied to them.
        var named: Set<IdentifierID> = []
    }

    /// Why two profiles are not joined without being asked.
    enum Limit: String {
        /// The event's identifiers lie in too many profiles.
        case profiles
        /// Together they would have too many identifiers of one kind.
        case kind
        /// They would bring together what must never come together.
        case never
    }

    /// Profiles that one event may join.
    static let profilesAtOnce = 3
    /// Identifiers of one kind in a profile that is joined of two which both have some.
    static let identifiersOfKind = 3

    private var entered: Set<IdentifierID> = []
    /// What each name has been replaced by; a name that stands for itself is its own.
    private var homes: [IdentifierID: IdentifierID] = [:]
    private var members: [IdentifierID: Members] = [:]
    private let nevers: [IdentifierID: Set<IdentifierID>]
    /// Names that were replaced, and the identifiers that came under another name.
    private var absorbed: [IdentifierID] = []
    private var shifted: [IdentifierID] = []

    /// - Parameter nevers: for each identifier, those that it must not share a profile with.
    init(nevers: [IdentifierID: Set<IdentifierID>]) { self.nevers = nevers }

    /// Enters an identifier on its own or, where `profile` is known, as one of that profile's.
    mutating func enter(_ identifier: IdentifierID, kind: Identifier.Kind, profile: ProfileID?) {
        guard entered.insert(identifier).inserted else { return }
        let home = profile.map { IdentifierID($0.uuid) } ?? identifier
        homes[identifier] = home
        members[home, default: Members()].identifiers.append(identifier)
        members[home]?.kinds[kind, default: 0] += 1
        members[home]?.named.insert(identifier)
    }

    /// A blocked identifier goes on counting in a `never`, for the profiles that it is tied to.
    mutating func enter(blocked: IdentifierID, tiedTo identifier: IdentifierID) {
        members[home(of: identifier)]?.named.insert(blocked)
    }

    func contains(_ identifier: IdentifierID) -> Bool { entered.contains(identifier) }

    /// The name of the set that an identifier is in.
    func home(of identifier: IdentifierID) -> IdentifierID {
        var home = identifier
        while let next = homes[home], next != home { home = next }
        return home
    }

    func members(of home: IdentifierID) -> [IdentifierID] { members[home]?.identifiers ?? [] }

    /// Whether `pair` must not come together, straight across.
    func isForbidden(_ pair: IdentifierPair) -> Bool { nevers[pair.low]?.contains(pair.high) == true }

    /// What stands against joining the two sets of `pair`, leaving aside how many profiles its event touches.
    func limit(on pair: IdentifierPair) -> Limit? {
        guard let left = members[home(of: pair.low)], let right = members[home(of: pair.high)] else {
            return nil
        }
        for (kind, count) in left.kinds {
            guard let other = right.kinds[kind] else { continue }
            if count + other > ProfileSets.identifiersOfKind { return .kind }
        }
        return never(across: pair, besides: pair) == nil ? nil : .never
    }

    /// The first two identifiers that must never come together and that joining the two sets of `pair` would
    /// bring together, besides `other`.
    func never(across pair: IdentifierPair, besides other: IdentifierPair? = nil) -> IdentifierPair? {
        guard let left = members[home(of: pair.low)], let right = members[home(of: pair.high)] else {
            return nil
        }
        let (few, many) = left.named.count < right.named.count ? (left, right) : (right, left)
        var first: IdentifierPair?
        for identifier in few.named {
            for forbidden in nevers[identifier] ?? [] where many.named.contains(forbidden) {
                let found = IdentifierPair(identifier, forbidden)
                guard found != other else { continue }
                if let first, (first.low, first.high) < (found.low, found.high) { continue }
                first = found
            }
        }
        return first
    }

    /// Joins the two sets of `pair` under the smaller name.
    mutating func join(_ pair: IdentifierPair) {
        let one = home(of: pair.low)
        let other = home(of: pair.high)
        guard one != other else { return }
        let (base, merged) = (min(one, other), max(one, other))
        homes[merged] = base
        absorbed.append(merged)
        guard let moved = members.removeValue(forKey: merged) else { return }
        shifted += moved.identifiers
        members[base]?.identifiers += moved.identifiers
        members[base]?.kinds.merge(moved.kinds, uniquingKeysWith: +)
        members[base]?.named.formUnion(moved.named)
    }

    /// The profiles that have come into another, with that one.
    var merged: [(from: ProfileID, into: ProfileID)] {
        absorbed.map { (ProfileID($0.uuid), ProfileID(home(of: $0).uuid)) }
    }

    /// The identifiers that have come into another profile, with that one.
    var moved: [IdentifierID: ProfileID] {
        Dictionary(shifted.map { ($0, ProfileID(home(of: $0).uuid)) }, uniquingKeysWith: { $1 })
    }
}
