import Contract
import Kernel

/// Where an event belongs: the identifier that placed it, which is kept for ever, and the profile which that
/// identifier is in now.
public struct Placement: Sendable, Hashable {
    public let identifier: IdentifierID
    public let profile: ProfileID

    public init(identifier: IdentifierID, profile: ProfileID) {
        self.identifier = identifier
        self.profile = profile
    }
}

/// An event on its way into the tables.
public struct PlacedEvent: Sendable {
    public let id: EventID
    public let event: Event
    /// nil until identity has run, and after it for what belongs to nobody.
    public var placement: Placement?

    public init(id: EventID, event: Event, placement: Placement? = nil) {
        self.id = id
        self.event = event
        self.placement = placement
    }
}

/// What is committed together: the events of a batch that were not known before, in the order they arrived.
public struct EventBatch: Sendable {
    /// All new events, test events included.
    public var events: [PlacedEvent]

    /// What they changed about who is who; empty until identity has run.
    public var change = IdentityChange()

    public init(events: [PlacedEvent]) { self.events = events }

    /// The events that count: all but those of test keys.
    public var counted: [PlacedEvent] { events.filter { !$0.event.isTest } }
}
