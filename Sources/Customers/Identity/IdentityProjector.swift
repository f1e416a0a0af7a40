import Contract
import Events
import Postgres

/// Places each event of a batch on an identifier and its profile, and joins profiles that events tie.
///
/// Test events are neither placed nor do they bring identifiers.
public struct IdentityProjector: Projector {
    private let settings: @Sendable () -> BrandSettings
    private let identities = IdentityStore()
    private let profiles = ProfileStore()

    /// - Parameter settings: the brand's present settings, for its country.
    public init(settings: @escaping @Sendable () -> BrandSettings) { self.settings = settings }

    public func project(_ batch: inout EventBatch, in transaction: PostgresTransaction) async throws {
        let normaliser = IdentifierNormaliser(country: settings().country)
        let arrivals = batch.events.enumerated().compactMap { index, placed in
            placed.event.isTest
                ? nil : Arrival(index: index, placed, normaliser.normalise(placed.event.identifiers))
        }
        guard arrivals.contains(where: { !$0.sent.usable.isEmpty }) else { return }
        var arrival = try await known(arrivals, in: transaction)
        for event in arrivals { arrival.enter(event.sent.usable, at: event.placed.event.receivedAt) }
        for event in arrivals.sorted(by: { $0.order < $1.order }) {
            arrival.take(event.sent.usable, ties: event.order.ties)
        }
        try await join(arrival, &batch.change, in: transaction)
        try await write(arrival, moved: batch.change.moved, in: transaction)

        var weak = WeakArrival(arrival: arrival, normaliser: normaliser)
        let placements = try await weak.place(arrivals, in: transaction)
        for (event, placement) in zip(arrivals, placements) {
            batch.events[event.index].placement = placement
        }
        try await settle(arrival, weak, &batch, in: transaction)
        let consents = try ConsentStore.Statement.all(
            in: batch.events, normaliser: normaliser, ids: arrival.known.mapValues(\.id))
        try await ConsentStore().enter(consents, in: transaction)
    }

    /// Reads what the tables know of the identifiers that will come, of their pairs, and of the profiles that
    /// new pairs may join.
    private func known(
        _ arrivals: [Arrival], in transaction: PostgresTransaction
    ) async throws -> IdentityArrival {
        let identifiers = Set(arrivals.flatMap(\.sent.usable))
        let (known, newest) = try await identities.known(Array(identifiers), in: transaction)
        var together: [IdentifierPair: [ProfileID?]] = [:]
        var joining: Set<ProfileID> = []
        for event in arrivals {
            let strong = event.sent.usable.filter { $0.kind.strength == .strong }
            for (index, one) in strong.enumerated() {
                for other in strong[(index + 1)...] {
                    let ends = [known[one], known[other]].compactMap { $0 }
                    if ends.count == 2 {
                        together[IdentifierPair(ends[0].id, ends[1].id)] = ends.map(\.profile)
                    } else {
                        joining.formUnion(ends.compactMap(\.profile))
                    }
                }
            }
        }
        let pairs = try await identities.known(Array(together.keys), in: transaction)
        for (pair, profiles) in together where profiles[0] != profiles[1] {
            if let state = pairs[pair]?.state, state != .held { continue }
            joining.formUnion(profiles.compactMap { $0 })
        }
        let flagged = known.values.filter { $0.flag != nil }.map(\.id)
        var sets = try await identities.sets(of: Array(joining), flagged: flagged, in: transaction)
        for (identifier, entry) in known where identifier.kind.strength == .strong && entry.flag == nil {
            sets.enter(entry.id, kind: identifier.kind, profile: entry.profile)
        }
        return IdentityArrival(known: known, newest: newest, pairs: pairs, sets: sets)
    }

    /// Notes which profiles have come into others, and what they were before.
    private func join(
        _ arrival: IdentityArrival, _ change: inout IdentityChange, in transaction: PostgresTransaction
    ) async throws {
        let merged = arrival.sets.merged
        let stored = Set(arrival.known.values.compactMap(\.profile))
        let joined = merged.filter { stored.contains($0.from) }
        guard !joined.isEmpty else { return }
        change.snapshots = try await profiles.snapshots(
            of: Set(joined.flatMap { [$0.from, $0.into] }), in: transaction)
        for (from, into) in joined {
            change.removed.insert(from)
            change.disturbed.insert(into)
            change.history.append(
                .init(
                    isMerge: true, base: into, other: from, reason: "an event tied them", actor: "event"))
        }
        let new = Set(arrival.new.map(\.id))
        change.moved = arrival.sets.moved.filter { !new.contains($0.key) }
    }

    /// Writes the identifiers and pairs that the batch has brought, and what limits have decided.
    private func write(
        _ arrival: IdentityArrival, moved: [IdentifierID: ProfileID], in transaction: PostgresTransaction
    ) async throws {
        let rows = arrival.new.map { new in
            let isStrong = new.identifier.kind.strength == .strong
            return IdentityStore.Row(
                new: new, profile: isStrong ? ProfileID(arrival.sets.home(of: new.id).uuid) : nil)
        }
        try await identities.insert(rows, in: transaction)
        try await identities.move(moved.mapValues { $0 }, in: transaction)
        let sequences = try await identities.append(arrival.verdicts, in: transaction)
        var holds: [IdentifierPair: Int64] = [:]
        for (verdict, sequence) in zip(arrival.verdicts, sequences) {
            for pair in verdict.pairs { holds[pair] = verdict.kind == .hold ? sequence : nil }
        }
        let pairs = Set(arrival.changedPairs).compactMap { pair in
            arrival.pairs[pair].map {
                IdentityStore.PairRow(pair: pair, state: $0.state, hold: holds[pair], isTied: $0.isTied)
            }
        }
        try await identities.write(pairs, in: transaction)
    }

    /// Makes the profiles that are new, and writes anew what is derived from identifiers.
    private func settle(
        _ arrival: IdentityArrival, _ weak: WeakArrival, _ batch: inout EventBatch,
        in transaction: PostgresTransaction
    ) async throws {
        var moves: [IdentifierID: ProfileID?] = [:]
        for id in weak.taken { moves[id] = .some(ProfileID(id.uuid)) }
        for id in weak.emptied { moves[id] = .some(nil) }
        try await identities.move(moves, in: transaction)
        batch.change.replaced = weak.replaced
        batch.change.removed.formUnion(weak.emptied.map { ProfileID($0.uuid) })

        var changed = batch.change.disturbed.union(weak.taken.map { ProfileID($0.uuid) })
        var made = Set(weak.taken.map { ProfileID($0.uuid) })
        for new in arrival.new where new.identifier.kind.strength == .strong {
            let profile = ProfileID(arrival.sets.home(of: new.id).uuid)
            changed.insert(profile)
            if profile.uuid == new.id.uuid { made.insert(profile) }
        }
        batch.change.made = made
        try await profiles.make(made, seen: ProfileProjector.sightings(in: batch), in: transaction)
        let widened = changed.subtracting(made).subtracting(batch.change.removed)
        try await profiles.refreshIdentifiers(of: widened, in: transaction)
        for replaced in batch.change.replaced {
            batch.change.disturbed.formUnion(
                [replaced.from?.profile, replaced.placement?.profile].compactMap { $0 })
        }
        batch.change.disturbed.subtract(batch.change.removed)
    }
}
