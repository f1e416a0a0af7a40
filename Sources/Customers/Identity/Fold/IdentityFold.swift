import Contract

/// Works out a brand's identity from scratch: `profiles = fold(events, decisions)`.
///
/// It is the judge of what the daily path has made of the same events step by step, and shares no code with
/// that path but what says what a rule means. It knows no limits: what they decided is in the log. It is the
/// same for every order of the events.
package struct IdentityFold {
    private let events: [IdentityEvent]
    private let kinds: [IdentifierID: Identifier.Kind]
    private let log: DecisionLog

    /// Folds a brand.
    ///
    /// - Parameters:
    ///   - events: all that count, each once, in any order; events of test keys do not count.
    ///   - kinds: every identifier that was ever seen.
    ///   - decisions: the whole log, in any order.
    package static func fold(
        events: [IdentityEvent], kinds: [IdentifierID: Identifier.Kind], decisions: [IdentityDecision]
    ) -> FoldedIdentity {
        let log = DecisionLog(decisions, kinds: kinds)
        let fold = IdentityFold(events: events, kinds: kinds, log: log)
        let ownerships = fold.ownerships()
        let placements = events.map { fold.place($0, ownerships) }
        let pairs = fold.pairs()
        let profileOf = fold.profiles(pairs, placements)
        return FoldedIdentity(
            flags: log.flags, profileOf: profileOf, placements: placements, pairs: pairs, nevers: log.nevers,
            ownerships: ownerships, questions: fold.questions(pairs, profileOf))
    }

    /// The sign-ins and sign-outs on each weak identifier.
    private func ownerships() -> [IdentifierID: WeakOwnership] {
        var sightings: [IdentifierID: [(EventOrder, owner: IdentifierID?)]] = [:]
        for event in events {
            let owner = placeOnStrong(event)
            guard event.isSignOut || owner != nil else { continue }
            for weak in event.carried where weak.kind.strength == .weak {
                sightings[weak.id, default: []].append((event.order, event.isSignOut ? nil : owner))
            }
        }
        return sightings.mapValues(WeakOwnership.init)
    }

    /// The strong identifier that an event is placed on: a shared one only if there is no other.
    private func placeOnStrong(_ event: IdentityEvent) -> IdentifierID? {
        let strong = event.carried.lazy.filter { $0.kind.strength == .strong && log.flags[$0.id] != .blocked }
        return (strong.first { log.flags[$0.id] == nil } ?? strong.first)?.id
    }

    /// The identifier that an event is placed on; nil for an event that belongs to nobody.
    private func place(_ event: IdentityEvent, _ ownerships: [IdentifierID: WeakOwnership]) -> IdentifierID? {
        if let strong = placeOnStrong(event) { return strong }
        guard !event.hasUnusableStrong, !event.carried.contains(where: { $0.kind.strength == .strong }) else {
            return nil
        }
        let weak = event.carried.lazy.filter { $0.kind.strength == .weak && log.flags[$0.id] == nil }
        let owner = weak.compactMap { ownerships[$0.id]?.owner(at: event.order, isSignOut: event.isSignOut) }
        return owner.first ?? weak.first?.id
    }

    /// The pairs that events tie, and those that the log puts in force, holds or rejects without.
    private func pairs() -> [IdentifierPair: FoldedIdentity.Pair] {
        var pairs: [IdentifierPair: FoldedIdentity.Pair] = [:]
        for pair in log.asserted where isStrong(pair.low) && isStrong(pair.high) {
            let standing = log.standing(of: pair, isTied: false)
            pairs[pair] = .init(standing: standing, isTied: false)
        }
        for event in events {
            forEachTie(of: event) { pair in
                guard pairs[pair]?.isTied != true else { return }
                pairs[pair] = .init(standing: log.standing(of: pair, isTied: true), isTied: true)
            }
        }
        return pairs
    }

    /// The connected components of strong identifiers over pairs in force, by their smallest ids, and the
    /// weak identifiers with something placed on them, each by itself.
    private func profiles(
        _ pairs: [IdentifierPair: FoldedIdentity.Pair], _ placements: [IdentifierID?]
    ) -> [IdentifierID: ProfileID] {
        var components = Components()
        for (pair, content) in pairs where content.standing.state == .inForce && isUnflagged(pair) {
            components.join(pair.low, pair.high)
        }
        var profileOf: [IdentifierID: ProfileID] = [:]
        for (id, kind) in kinds where kind.strength == .strong && log.flags[id] != .blocked {
            profileOf[id] = ProfileID(components.smallest(of: id).uuid)
        }
        for case let id? in placements where profileOf[id] == nil { profileOf[id] = ProfileID(id.uuid) }
        return profileOf
    }

    /// What is held between two profiles, with how many events carry it.
    private func questions(
        _ pairs: [IdentifierPair: FoldedIdentity.Pair], _ profileOf: [IdentifierID: ProfileID]
    ) -> [FoldedIdentity.Question] {
        var held: [(pair: IdentifierPair, hold: Int64)] = []
        for (pair, content) in pairs where isUnflagged(pair) {
            if let hold = content.standing.hold { held.append((pair, hold)) }
        }
        let rows = ReviewRows.rows(held: held) { profileOf[$0] }
        guard !rows.isEmpty else { return [] }
        var rowOf: [IdentifierPair: Int] = [:]
        for (index, row) in rows.enumerated() {
            for pair in row.pairs { rowOf[pair] = index }
        }
        var counts = Array(repeating: 0, count: rows.count)
        for event in events {
            var asks: Set<Int> = []
            forEachTie(of: event) { pair in
                if let row = rowOf[pair] { asks.insert(row) }
            }
            for row in asks { counts[row] += event.standsFor }
        }
        return zip(rows, counts).map { .init(row: $0, events: $1) }
    }

    /// Every pair of strong identifiers of an event, whatever is said of them.
    private func forEachTie(of event: IdentityEvent, _ body: (IdentifierPair) -> Void) {
        guard event.order.ties else { return }
        for (index, one) in event.carried.enumerated() where one.kind.strength == .strong {
            for other in event.carried[(index + 1)...] where other.kind.strength == .strong {
                body(IdentifierPair(one.id, other.id))
            }
        }
    }

    private func isStrong(_ id: IdentifierID) -> Bool { kinds[id]?.strength == .strong }

    private func isUnflagged(_ pair: IdentifierPair) -> Bool {
        log.flags[pair.low] == nil && log.flags[pair.high] == nil
    }
}
