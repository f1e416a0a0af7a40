import Contract
import Events
import Kernel
import Postgres

/// Works out again what a decision can change, and nothing else.
///
/// The decision is in the log already. What comes out is handed to the rooms behind identity, as for a batch.
struct IdentityRepair {
    /// What was done.
    struct Result {
        var change = IdentityChange()
        /// Profiles that there were not before.
        var made: Set<ProfileID> = []
        /// Pairs that a limit has held.
        var held = 0
    }

    private let decision: IdentityDecision
    private let author: DecisionAuthor
    private let normaliser: IdentifierNormaliser
    private let transaction: PostgresTransaction
    private let store = DecisionStore()
    private let identities = IdentityStore()

    init(
        of decision: IdentityDecision, by author: DecisionAuthor, normaliser: IdentifierNormaliser,
        in transaction: PostgresTransaction
    ) {
        self.decision = decision
        self.author = author
        self.normaliser = normaliser
        self.transaction = transaction
    }

    /// Writes what is identity's own, up to the table of profiles.
    ///
    /// - Throws: `Admission.Forbidden` when a `never` stands between the sides of what is asserted.
    func work() async throws -> Result {
        guard decision.isAboutValue, let value = decision.left.first else { return try await workOnPairs() }
        guard let former = try await store.entries([value], in: transaction)[value] else { return Result() }
        try await store.setFlag(flag, of: value, in: transaction)
        return former.isStrong
            ? try await workOnStrong(value, former: former.flag) : try await workOnWeak(value)
    }

    /// The flag that a decision about a value gives it.
    private var flag: DecisionLog.Flag? {
        switch decision.kind {
        case .block: .blocked
        case .share: .shared
        default: nil
        }
    }

    private func workOnPairs() async throws -> Result {
        switch decision.kind {
        case .never, .unmerge, .allow:
            try await store.setNever(decision.kind != .allow, across: decision.pairs, in: transaction)
        default: break
        }
        var region = try await DecisionRegion(of: decision, former: nil, in: transaction)
        var ties: [CarryingEvent] = []
        if decision.kind == .allow {
            let pairs = decision.pairs.filter { region.pairs[$0]?.isTied == true }
            ties = try await CarryingEvent.read(
                store.events(carryingBothOf: pairs, in: transaction), normaliser, in: transaction)
        }
        return try await settle(&region, ties).result
    }

    private func workOnStrong(
        _ value: IdentifierID, former: DecisionLog.Flag?
    ) async throws -> Result {
        var region = try await DecisionRegion(of: decision, former: former, in: transaction)
        // What is placed on it without carrying it belongs to its sign-ins, and follows them.
        let events = try await CarryingEvent.read(
            store.events(carrying: value, in: transaction), normaliser, in: transaction
        ).filter { event in event.strong.contains { $0.id == value } }
        var (result, profiles) = try await settle(&region, events)
        let places = EventPlaces(normaliser: normaliser, transaction: transaction)
        try await places.place(events, profiles: profiles, into: &result)
        return result
    }

    private func workOnWeak(_ value: IdentifierID) async throws -> Result {
        var result = Result()
        let places = EventPlaces(normaliser: normaliser, transaction: transaction)
        try await places.placeAll(carrying: value, into: &result)
        return result
    }
}

// MARK: - Pairs and profiles

extension IdentityRepair {
    /// Works out the region's pairs and profiles, and writes them.
    ///
    /// - Returns: what has changed, and the profile that each of the region's identifiers is in now.
    private func settle(
        _ region: inout DecisionRegion, _ events: [CarryingEvent]
    ) async throws -> (result: Result, profiles: [IdentifierID: ProfileID]) {
        let strong = events.flatMap { event in event.strong.map(\.id) }
        region.enter(try await store.entries(strong, in: transaction))
        let ties = events.filter(\.stored.order.ties).sorted { $0.stored.order < $1.stored.order }
            .map { $0.strong.map(\.id) }
        let (admission, held) = try await admit(region, ties)
        try await write(admission, region)
        var components = Components()
        for pair in admission.joined { components.join(pair.low, pair.high) }
        var profiles: [IdentifierID: ProfileID] = [:]
        var moves: [IdentifierID: ProfileID?] = [:]
        for id in region.members {
            let isBlocked = region.flag(of: id) == .blocked
            let profile = isBlocked ? nil : ProfileID(components.smallest(of: id).uuid)
            profiles[id] = profile
            if profile != region.entries[id]?.profile { moves[id] = .some(profile) }
        }
        try await identities.move(moves, in: transaction)
        return (result(of: moves, held, region, profiles), profiles)
    }

    /// Lets pairs in until no limit holds any more of them: a held pair of a merge may give way to another.
    private func admit(
        _ region: DecisionRegion, _ ties: [Admission.Tie]
    ) async throws -> (Admission, held: Int) {
        var decisions = region.decisions
        var passed: Set<IdentifierPair> = []
        var held = 0
        while true {
            var admission = Admission(region, decisions: decisions, admitted: passed)
            try admission.admit(by: decision, ties: ties, passed: passed)
            guard !admission.holds.isEmpty else { return (admission, held) }
            let sequences = try await identities.append(admission.holds, in: transaction)
            for (hold, sequence) in zip(admission.holds, sequences) {
                held += hold.pairs.count
                decisions.append(
                    IdentityDecision(
                        sequence: sequence, kind: .hold, left: hold.pairs.map(\.low),
                        right: hold.pairs.map(\.high), isByLimit: true))
            }
            passed = admission.joined
        }
    }

    /// Writes the pairs of which the log says something else than before.
    ///
    /// One that is rejected stays in the table though no event ties it, so that it is known when one does.
    private func write(_ admission: Admission, _ region: DecisionRegion) async throws {
        var changed: [IdentityStore.PairRow] = []
        var removed: [IdentifierPair] = []
        for (pair, standing) in admission.standings where region.isNamed(pair) {
            let stored = region.pairs[pair]
            let isTied = stored?.isTied ?? false
            if standing.state == .out && !isTied && !admission.log.isRejected(pair) {
                if stored != nil { removed.append(pair) }
            } else if stored != .init(state: standing.state, hold: standing.hold, isTied: isTied) {
                changed.append(
                    .init(pair: pair, state: standing.state, hold: standing.hold, isTied: isTied))
            }
        }
        try await identities.write(changed, in: transaction)
        try await store.remove(removed, in: transaction)
    }

    private func result(
        of moves: [IdentifierID: ProfileID?], _ held: Int, _ region: DecisionRegion,
        _ profiles: [IdentifierID: ProfileID]
    ) -> Result {
        var result = Result(held: held)
        let before = Set(region.members.compactMap { region.entries[$0]?.profile })
        let after = Set(profiles.values)
        result.made = after.subtracting(before)
        result.change.removed = before.subtracting(after)
        var steps: Set<[ProfileID]> = []
        for (id, profile) in moves {
            let former = region.entries[id]?.profile
            result.change.disturbed.formUnion([former, profile].compactMap { $0 })
            guard let profile else { continue }
            result.change.moved[id] = profile
            if let former { steps.insert([former, profile]) }
        }
        result.change.disturbed.subtract(result.change.removed)
        for step in steps.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            // One that has gone into another which there was; or else one that has come out of another.
            let isMerge = result.change.removed.contains(step[0]) && !result.made.contains(step[1])
            result.change.history.append(
                .init(
                    isMerge: isMerge, base: isMerge ? step[1] : step[0], other: isMerge ? step[0] : step[1],
                    reason: author.reason, actor: author.actor))
        }
        return result
    }
}
