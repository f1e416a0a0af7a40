import Contract
import Events
import Kernel

/// An event without any strong identifier, which its weak ones place.
struct AnonymousEvent {
    let id: EventID
    let receivedAt: Timestamp
    let order: EventOrder
    let isSignOut: Bool
    /// By priority.
    let weak: [IdentityEvent.Carried]
    /// Where it is stored; nil for one of this batch, and for one that nobody has.
    let placement: Placement?
}

/// A sign-in on a weak identifier, or a sign-out.
struct WeakSighting {
    let weak: IdentifierID
    let order: EventOrder
    /// The strong identifier that signs in; nil for a sign-out.
    let owner: IdentifierID?
}

/// Who owns weak identifiers at certain events.
struct WeakOwners {
    /// One weak identifier at one event.
    struct Question: Hashable {
        let event: EventID
        let weak: IdentifierID
    }

    struct Owner {
        /// Never a blocked one: what is blocked signs nobody in.
        let id: IdentifierID
        let profile: ProfileID
    }

    var owners: [Question: Owner] = [:]
    /// Weak identifiers that own and place nothing.
    var flagged: Set<IdentifierID> = []

    /// Where an event belongs: on the owner of the first weak identifier that has one, else on the first; nil
    /// where none of them places.
    func place(_ event: AnonymousEvent) -> Placement? {
        let usable = event.weak.filter { !flagged.contains($0.id) }
        for carried in usable {
            guard let owner = owners[Question(event: event.id, weak: carried.id)] else { continue }
            return Placement(identifier: owner.id, profile: owner.profile)
        }
        return usable.first.map { Placement(identifier: $0.id, profile: ProfileID($0.id.uuid)) }
    }
}
