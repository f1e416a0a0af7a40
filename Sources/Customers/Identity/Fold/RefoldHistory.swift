import Contract
import Events
import Kernel

/// A brand's stored events as they are read to be folded anew, with what their identifiers stand for by the
/// brand's present country.
package struct RefoldHistory: Sendable {
    /// A stored event that counts, as it was sent.
    package struct Stored {
        package let id: EventID
        package let receivedAt: Timestamp
        package let order: EventOrder
        package let isSignOut: Bool
        package let identifiers: [SentIdentifier]
        package let consents: [ConsentStatement]
        /// For how many events it stands, itself included.
        package let standsFor: Int

        package init(
            of place: (id: EventID, receivedAt: Timestamp, standsFor: Int), order: EventOrder,
            isSignOut: Bool, content: (identifiers: [SentIdentifier], consents: [ConsentStatement])
        ) {
            (id, receivedAt, standsFor) = place
            self.order = order
            self.isSignOut = isSignOut
            identifiers = content.identifiers
            consents = content.consents
        }
    }

    /// What finds a stored event.
    struct Place: Sendable {
        let id: EventID
        let receivedAt: Timestamp
    }

    /// What consent is about.
    struct ConsentKey: Hashable, Sendable {
        let identifier: IdentifierID
        let channel: IdentifierKind
        /// Its bytes, since they are what the table compares.
        let purpose: [UInt8]
    }

    /// What was said last.
    struct Consent: Sendable {
        let isGranted: Bool
        let occurredAt: Timestamp
    }

    private(set) var events: [IdentityEvent] = []
    /// Of each event.
    private(set) var places: [Place] = []
    /// All identifiers: those of the table, and those that events carry and the table lacks.
    private(set) var identifiers: [Identifier: IdentifierID]
    /// When the first event came that carries an identifier which the table lacks.
    private(set) var firstSeen: [IdentifierID: Timestamp] = [:]
    private(set) var consents: [ConsentKey: Consent] = [:]
    private let normaliser: IdentifierNormaliser
    private var ids: UUIDv7Sequence

    /// - Parameter identifiers: those of the table.
    package init(country: String, identifiers: [Identifier: IdentifierID]) {
        normaliser = IdentifierNormaliser(country: country)
        self.identifiers = identifiers
        ids = UUIDv7Sequence(after: identifiers.values.max()?.uuid)
    }

    /// Takes in an event. To be called for events as they were received, so that ids rise as they would have.
    package mutating func enter(_ event: Stored) {
        let sent = normaliser.normalise(event.identifiers)
        let carried = sent.usable.map { identifier in
            IdentityEvent.Carried(
                id: id(of: identifier, at: event.receivedAt), kind: identifier.kind)
        }
        places.append(Place(id: event.id, receivedAt: event.receivedAt))
        events.append(
            IdentityEvent(
                order: event.order, isSignOut: event.isSignOut, carried: carried,
                hasUnusableStrong: sent.hasUnusableStrong, standsFor: event.standsFor))
        for said in event.consents { enter(said, of: event) }
    }

    private mutating func id(of identifier: Identifier, at instant: Timestamp) -> IdentifierID {
        if let known = identifiers[identifier] { return known }
        let id = IdentifierID(ids.next(at: instant))
        identifiers[identifier] = id
        firstSeen[id] = instant
        return id
    }

    /// The newest statement counts, and at one instant a denial does.
    private mutating func enter(_ said: ConsentStatement, of event: Stored) {
        guard let sent = event.identifiers.first(where: { $0.kind == said.kind }),
            let identifier = normaliser.normalise([sent]).usable.first, let id = identifiers[identifier]
        else { return }
        let key = ConsentKey(identifier: id, channel: said.kind, purpose: Array(said.purpose.utf8))
        let instant = event.order.occurredAt
        if let known = consents[key] {
            guard
                instant > known.occurredAt
                    || (instant == known.occurredAt && known.isGranted && !said.isGranted)
            else { return }
        }
        consents[key] = Consent(isGranted: said.isGranted, occurredAt: instant)
    }

    /// What the brand's identity is by these events and `decisions`.
    package func folded(by decisions: [IdentityDecision]) -> RefoldedIdentity {
        let kinds = Dictionary(uniqueKeysWithValues: identifiers.map { ($0.value, $0.key.kind) })
        return RefoldedIdentity(
            history: self, identity: IdentityFold.fold(events: events, kinds: kinds, decisions: decisions))
    }
}

/// What a brand's identity should be, beside the events that it was made of.
package struct RefoldedIdentity: Sendable {
    let history: RefoldHistory
    let identity: FoldedIdentity

    /// How many events count, with those that others stand for.
    package var eventCount: Int { history.events.reduce(0) { $0 + $1.standsFor } }
    /// How many identifiers there are.
    package var identifierCount: Int { history.identifiers.count }

    /// The identifiers by which an event at `index` must be found, beside where it is placed: its strong
    /// ones, and its weak ones when it has no strong one.
    func carried(at index: Int) -> some Sequence<IdentifierID> {
        let carried = history.events[index].carried
        let hasStrong = carried.contains { $0.kind.strength == .strong }
        let placement = identity.placements[index]
        return carried.lazy.filter { $0.kind.strength == (hasStrong ? .strong : .weak) && $0.id != placement }
            .map(\.id)
    }
}
