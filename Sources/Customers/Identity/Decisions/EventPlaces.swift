import Contract
import Events
import Kernel
import Postgres

/// A stored event with strong identifiers, and what its identifiers stand for.
struct CarryingEvent {
    let stored: WeakStore.Stored
    /// By priority, with flags as they are.
    let strong: [IdentityArrival.Known]
    let weak: [IdentityEvent.Carried]

    /// The identifier that it belongs on: a shared one only if there is no other, a blocked one never.
    var place: IdentityArrival.Known? {
        strong.first { $0.flag == nil } ?? strong.first { $0.flag == .shared }
    }

    static func read(
        _ stored: [WeakStore.Stored], _ normaliser: IdentifierNormaliser,
        in transaction: PostgresTransaction
    ) async throws -> [CarryingEvent] {
        let usable = stored.map { normaliser.normalise($0.identifiers).usable }
        let known = try await IdentityStore().known(Array(Set(usable.joined())), in: transaction).known
        return zip(stored, usable).map { event, usable in
            CarryingEvent(
                stored: event,
                strong: usable.filter { $0.kind.strength == .strong }.compactMap { known[$0] },
                weak: usable.filter { $0.kind.strength == .weak }.compactMap { identifier in
                    known[identifier].map { .init(id: $0.id, kind: identifier.kind) }
                })
        }
    }
}

/// Places stored events anew when a value has got a flag or lost it.
struct EventPlaces {
    let normaliser: IdentifierNormaliser
    let transaction: PostgresTransaction
    private let decisions = DecisionStore()
    private let store = WeakStore()
    private let identities = IdentityStore()

    init(normaliser: IdentifierNormaliser, transaction: PostgresTransaction) {
        self.normaliser = normaliser
        self.transaction = transaction
    }

    /// Places events with strong identifiers, and with them the sign-ins that they are, and the events that
    /// belong to whoever signed in.
    ///
    /// - Parameter profiles: of the identifiers that may have come into another.
    func place(
        _ events: [CarryingEvent], profiles: [IdentifierID: ProfileID],
        into result: inout IdentityRepair.Result
    ) async throws {
        var carried: [WeakStore.Carried] = []
        var lost: [WeakSighting] = []
        var gained: [WeakSighting] = []
        for event in events {
            let place = event.place.flatMap { known in
                (profiles[known.id] ?? known.profile).map { Placement(identifier: known.id, profile: $0) }
            }
            let stored = event.stored
            guard place?.identifier != stored.placement?.identifier else { continue }
            result.change.replaced.append(
                .init(
                    id: stored.id, receivedAt: stored.receivedAt, from: stored.placement, placement: place))
            for known in event.strong {
                carried.append(.init(identifier: known.id, event: stored.id, receivedAt: stored.receivedAt))
            }
            guard !stored.isSignOut else { continue }
            for weak in event.weak {
                lost.append(.init(weak: weak.id, order: stored.order, owner: stored.placement?.identifier))
                guard let place else { continue }
                gained.append(.init(weak: weak.id, order: stored.order, owner: place.identifier))
            }
        }
        try await store.enter(carried, areNew: false, in: transaction)
        try await decisions.remove(lost, in: transaction)
        _ = try await store.enter(gained, in: transaction)
        try await decisions.removeOwners(of: Set(lost.map(\.weak)), in: transaction)
        try await placeAnonymous(store.disturbed(by: lost, in: transaction), into: &result)
        disturb(&result)
    }

    /// Places all events that a weak identifier may place.
    func placeAll(carrying weak: IdentifierID, into result: inout IdentityRepair.Result) async throws {
        try await placeAnonymous(store.all(carrying: [weak], in: transaction), into: &result)
        disturb(&result)
    }

    private func placeAnonymous(
        _ stored: [WeakStore.Stored], into result: inout IdentityRepair.Result
    ) async throws {
        let once = Dictionary(stored.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        let events = try await CarryingEvent.read(Array(once.values), normaliser, in: transaction)
            .map { event in
                AnonymousEvent(
                    id: event.stored.id, receivedAt: event.stored.receivedAt, order: event.stored.order,
                    isSignOut: event.stored.isSignOut, weak: event.weak, placement: event.stored.placement)
            }
        let owners = try await store.owners(at: events, in: transaction)
        var replaced: [IdentityChange.Replaced] = []
        var carried: [WeakStore.Carried] = []
        for event in events {
            let place = owners.place(event)
            guard place?.identifier != event.placement?.identifier else { continue }
            replaced.append(
                .init(
                    id: event.id, receivedAt: event.receivedAt, from: event.placement, placement: place))
            for weak in event.weak {
                carried.append(.init(identifier: weak.id, event: event.id, receivedAt: event.receivedAt))
            }
        }
        try await store.enter(carried, areNew: false, in: transaction)
        try await settleWeak(replaced, into: &result)
        result.change.replaced += replaced
    }

    /// Makes profiles of weak identifiers on which something is placed now, and takes those away that place
    /// nothing any more.
    private func settleWeak(
        _ replaced: [IdentityChange.Replaced], into result: inout IdentityRepair.Result
    ) async throws {
        let entered = Set(replaced.compactMap { $0.placement?.identifier })
        let left = Set(replaced.compactMap { $0.from?.identifier })
        let isProfile = try await store.weakProfiles(of: Array(entered.union(left)), in: transaction)
        let taken = entered.filter { isProfile[$0] == false }
        let candidates = left.filter { isProfile[$0] == true && !entered.contains($0) }
        let staying = try await store.placing(
            Array(candidates), besides: replaced.map(\.id), in: transaction)
        let emptied = candidates.subtracting(staying)
        var moves: [IdentifierID: ProfileID?] = [:]
        for id in taken { moves[id] = .some(ProfileID(id.uuid)) }
        for id in emptied { moves[id] = .some(nil) }
        try await identities.move(moves, in: transaction)
        result.made.formUnion(taken.map { ProfileID($0.uuid) })
        result.change.removed.formUnion(emptied.map { ProfileID($0.uuid) })
    }

    /// Whatever lost or gained an event is derived anew.
    private func disturb(_ result: inout IdentityRepair.Result) {
        for replaced in result.change.replaced {
            result.change.disturbed.formUnion(
                [replaced.from?.profile, replaced.placement?.profile].compactMap { $0 })
        }
        result.change.disturbed.subtract(result.change.removed)
    }
}
