import Contract
import Events
import Kernel
import Postgres

/// An event of a batch, with what its identifiers stand for.
struct Arrival {
    /// Its place in the batch.
    let index: Int
    let placed: PlacedEvent
    let sent: IdentifierNormaliser.Result

    init(index: Int, _ placed: PlacedEvent, _ sent: IdentifierNormaliser.Result) {
        self.index = index
        self.placed = placed
        self.sent = sent
    }

    var order: EventOrder { EventOrder(placed.event) }
    var isSignOut: Bool { placed.event.type == .signOut }
}

/// Places the events of a batch, and places stored events anew that a sign-in or sign-out gives to another.
///
/// The identifiers of the batch must be in their tables, with the profiles that they are in after it.
struct WeakArrival {
    /// Weak identifiers on which something is placed and that were no profile before.
    private(set) var taken: Set<IdentifierID> = []
    /// Weak identifiers on which nothing is placed any more.
    private(set) var emptied: Set<IdentifierID> = []
    private(set) var replaced: [IdentityChange.Replaced] = []

    private let arrival: IdentityArrival
    private let normaliser: IdentifierNormaliser
    private let store = WeakStore()
    private let identities = IdentityStore()

    init(arrival: IdentityArrival, normaliser: IdentifierNormaliser) {
        self.arrival = arrival
        self.normaliser = normaliser
    }

    /// Where each event of the batch belongs; nil for those of nobody.
    mutating func place(
        _ arrivals: [Arrival], in transaction: PostgresTransaction
    ) async throws -> [Placement?] {
        var placements: [Placement?] = []
        var anonymous: [AnonymousEvent] = []
        for event in arrivals {
            switch arrival.place(event.sent) {
            case .on(let known):
                placements.append(
                    arrival.profile(of: known).map { Placement(identifier: known.id, profile: $0) })
            case .nowhere: placements.append(nil)
            case .byWeak:
                placements.append(nil)
                anonymous.append(self.anonymous(event))
            }
        }
        let stored = try await disturbed(by: zip(arrivals, placements).flatMap(sightings), in: transaction)
        let owners = try await store.owners(at: anonymous + stored, in: transaction)
        var weakPlaces: [EventID: Placement] = [:]
        for event in anonymous { weakPlaces[event.id] = owners.place(event) }
        for (index, event) in arrivals.enumerated() where placements[index] == nil {
            placements[index] = weakPlaces[event.placed.id]
        }
        for event in stored {
            let place = owners.place(event)
            guard place?.identifier != event.placement?.identifier else { continue }
            replaced.append(
                .init(
                    id: event.id, receivedAt: event.receivedAt, from: event.placement, placement: place))
            weakPlaces[event.id] = place
        }
        try await settle(weakPlaces.values.map(\.identifier), in: transaction)
        try await enterCarried(arrivals, placements, stored, in: transaction)
        return placements
    }

    private func anonymous(_ event: Arrival) -> AnonymousEvent {
        AnonymousEvent(
            id: event.placed.id, receivedAt: event.placed.event.receivedAt, order: event.order,
            isSignOut: event.isSignOut, weak: weak(event.sent.usable, among: arrival.known), placement: nil)
    }

    private func weak(
        _ identifiers: [Identifier], among known: [Identifier: IdentityArrival.Known]
    ) -> [IdentityEvent.Carried] {
        identifiers.filter { $0.kind.strength == .weak }
            .compactMap { identifier in known[identifier].map { .init(id: $0.id, kind: identifier.kind) } }
    }

    /// What an event says of its weak identifiers: a sign-in, a sign-out, or nothing.
    private func sightings(_ event: Arrival, _ placement: Placement?) -> [WeakSighting] {
        guard event.isSignOut || placement != nil else { return [] }
        return weak(event.sent.usable, among: arrival.known).map {
            WeakSighting(
                weak: $0.id, order: event.order, owner: event.isSignOut ? nil : placement?.identifier)
        }
    }

    /// Enters the sightings, and reads the stored events that may belong to another since.
    private func disturbed(
        by sightings: [WeakSighting], in transaction: PostgresTransaction
    ) async throws -> [AnonymousEvent] {
        guard !sightings.isEmpty else { return [] }
        let visited = try await store.enter(sightings, in: transaction)
        let signedIn = try await store.signedIn(on: Array(visited), in: transaction)
        let crowded = Dictionary(grouping: signedIn, by: \.weak)
            .filter { Set($0.value.map(\.profile)).count > ProfileSets.profilesAtOnce }.keys
        let known = Dictionary(uniqueKeysWithValues: arrival.known.values.map { ($0.id, $0) })
        let shared = crowded.filter { known[$0]?.flag == nil }.sorted()
        try await store.share(shared, in: transaction)
        let new = Set(arrival.new.map(\.id))
        var stored = try await store.disturbed(
            by: sightings.filter { !new.contains($0.weak) }, in: transaction)
        stored += try await store.all(carrying: shared, in: transaction)
        let events = Dictionary(stored.map { ($0.id, $0) }, uniquingKeysWith: { $1 }).values
        return try await read(Array(events), in: transaction)
    }

    private func read(
        _ stored: [WeakStore.Stored], in transaction: PostgresTransaction
    ) async throws -> [AnonymousEvent] {
        let usable = stored.map { normaliser.normalise($0.identifiers).usable }
        let missing = Set(usable.joined()).filter { arrival.known[$0] == nil }
        var known = arrival.known
        if !missing.isEmpty {
            let found = try await identities.known(Array(missing), in: transaction).known
            known.merge(found, uniquingKeysWith: { $1 })
        }
        return zip(stored, usable).map { event, usable in
            AnonymousEvent(
                id: event.id, receivedAt: event.receivedAt, order: event.order, isSignOut: event.isSignOut,
                weak: weak(usable, among: known), placement: event.placement)
        }
    }

    /// Finds which weak identifiers have become profiles, or are none any more.
    private mutating func settle(
        _ placedOn: [IdentifierID], in transaction: PostgresTransaction
    ) async throws {
        let left = Set(replaced.compactMap { event in event.from?.identifier })
        let isWeak = try await store.weakProfiles(of: Array(Set(placedOn).union(left)), in: transaction)
        taken = Set(placedOn.filter { isWeak[$0] == false })
        let candidates = left.filter { isWeak[$0] == true && !placedOn.contains($0) }
        let staying = try await store.placing(
            Array(candidates), besides: replaced.map(\.id), in: transaction)
        emptied = candidates.subtracting(staying)
    }

    /// Notes which events carry what, beside where they are placed.
    private func enterCarried(
        _ arrivals: [Arrival], _ placements: [Placement?], _ stored: [AnonymousEvent],
        in transaction: PostgresTransaction
    ) async throws {
        var new: [WeakStore.Carried] = []
        for (event, placement) in zip(arrivals, placements) {
            let strong = event.sent.usable.filter { $0.kind.strength == .strong }
            let placing = strong.isEmpty ? event.sent.usable.filter { $0.kind.strength == .weak } : strong
            for id in placing.compactMap({ arrival.known[$0]?.id }) where id != placement?.identifier {
                new.append(
                    .init(
                        identifier: id, event: event.placed.id, receivedAt: event.placed.event.receivedAt))
            }
        }
        let moved = Set(replaced.map(\.id))
        let again = stored.filter { moved.contains($0.id) }.flatMap { event in
            event.weak.map {
                WeakStore.Carried(identifier: $0.id, event: event.id, receivedAt: event.receivedAt)
            }
        }
        try await store.enter(new, areNew: true, in: transaction)
        try await store.enter(again, areNew: false, in: transaction)
    }
}
