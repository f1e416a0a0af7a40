import Customers
import Events
import Kernel

/// What makes a history hard, told from its steps and not from what its writer meant.
enum HistoryFeature: String, CaseIterable {
    /// An event ties two or three groups of identifiers that were known apart.
    case bridge
    /// An event ties more than three of them.
    case crowd
    /// Two signed in on one weak identifier; four.
    case sharedDevice, tablet
    /// A strong identifier is tied to fourteen others, and so reaches a limit ten times.
    case popularValue
    case signOut, anonymous, guestOrder, unusable, cardLast4
    /// An event happened a day or more before one that came earlier; two happened at one instant.
    case late, sameInstant
    /// A later version of an order has a lower total; an older version came after a newer one.
    case refund, oldVersionLate
    /// Somebody said yes and no to one thing.
    case contradictedConsent
    case block, unblock, share, unshare, shareWeak, merge, unmerge, never, allow, approve, reject
}

extension RandomHistory {
    /// What this history has.
    var features: Set<HistoryFeature> {
        var reader = FeatureReader()
        for step in steps {
            switch step {
            case .send(let sent): reader.read(sent)
            case .decide(let intent): reader.read(intent)
            }
        }
        return reader.features
    }
}

/// Reads a history step by step. Groups are what events have tied, crowds aside.
private struct FeatureReader {
    private(set) var features: Set<HistoryFeature> = []
    private let normaliser = IdentifierNormaliser(country: HistoryWriter.country)
    private var groups: [Identifier: Int] = [:]
    private var signedIn: [Identifier: Set<Identifier>] = [:]
    private var neighbours: [Identifier: Set<Identifier>] = [:]
    private var instants: Set<Timestamp> = []
    private var latest: Timestamp?
    private var orders: [String: [Sent.Order]] = [:]
    private var consents: [String: Set<Bool>] = [:]

    mutating func read(_ sent: Sent) {
        let known = normaliser.normalise(sent.identifiers)
        let strong = known.usable.filter { $0.kind.strength == .strong }
        let weak = known.usable.filter { $0.kind.strength == .weak }
        readTies(strong)
        if known.hasUnusableStrong { features.insert(.unusable) }
        if known.usable.contains(where: { $0.kind == .cardLast4 }) { features.insert(.cardLast4) }
        if sent.type == .signOut { features.insert(.signOut) }
        if strong.isEmpty, !weak.isEmpty { features.insert(.anonymous) }
        if known.usable.isEmpty, sent.type == .purchase { features.insert(.guestOrder) }
        if let first = strong.first, sent.type != .signOut {
            for device in weak { readSignIn(first, on: device) }
        }
        readTime(sent.occurredAt)
        if let order = sent.order { read(order) }
        for said in sent.consent {
            let value = sent.identifiers.first { $0.kind == said.kind }?.value ?? ""
            consents["\(said.kind) \(value) \(said.purpose)", default: []].insert(said.isGranted)
        }
        if consents.values.contains(where: { $0.count == 2 }) { features.insert(.contradictedConsent) }
    }

    mutating func read(_ intent: RandomHistory.Intent) {
        switch intent {
        case .block: features.insert(.block)
        case .unblock: features.insert(.unblock)
        case .share(let value): features.insert(value.kind.strength == .weak ? .shareWeak : .share)
        case .unshare: features.insert(.unshare)
        case .merge: features.insert(.merge)
        case .unmerge: features.insert(.unmerge)
        case .never: features.insert(.never)
        case .allow: features.insert(.allow)
        case .approve: features.insert(.approve)
        case .reject: features.insert(.reject)
        }
    }

    private mutating func readTies(_ strong: [Identifier]) {
        let met = Set(strong.compactMap { groups[$0] })
        if met.count > 1 { features.insert(met.count > 3 ? .crowd : .bridge) }
        for one in strong {
            neighbours[one, default: []].formUnion(strong)
            if neighbours[one, default: []].count > 14 { features.insert(.popularValue) }
        }
        guard met.count <= 3 else { return }
        let group = met.min() ?? groups.count
        for (identifier, old) in groups where met.contains(old) { groups[identifier] = group }
        for identifier in strong { groups[identifier] = group }
    }

    private mutating func readSignIn(_ owner: Identifier, on device: Identifier) {
        signedIn[device, default: []].insert(owner)
        let people = Set(signedIn[device, default: []].compactMap { groups[$0] }).count
        if people > 1 { features.insert(.sharedDevice) }
        if people > 3 { features.insert(.tablet) }
    }

    private mutating func readTime(_ instant: Timestamp) {
        if !instants.insert(instant).inserted { features.insert(.sameInstant) }
        if let latest, instant <= latest - .seconds(24 * 3600) { features.insert(.late) }
        latest = max(latest ?? instant, instant)
    }

    private mutating func read(_ order: Sent.Order) {
        for other in orders[order.id, default: []] {
            if order.version < other.version { features.insert(.oldVersionLate) }
            let (older, newer) = order.version < other.version ? (order, other) : (other, order)
            if older.version < newer.version, newer.cents < older.cents { features.insert(.refund) }
        }
        orders[order.id, default: []].append(order)
    }
}
