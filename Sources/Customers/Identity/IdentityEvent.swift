import Contract
import Events
import Kernel

/// What identity sees of an event that counts: its place in the order of events, and its identifiers.
package struct IdentityEvent: Sendable {
    /// A usable identifier, with the id that it was given when it was first seen.
    package struct Carried: Sendable, Hashable {
        package let id: IdentifierID
        package let kind: Identifier.Kind

        package init(id: IdentifierID, kind: Identifier.Kind) {
            self.id = id
            self.kind = kind
        }
    }

    package let order: EventOrder
    package let isSignOut: Bool
    /// What is usable, each once, by priority; of two phones the one sent as `phone` comes first.
    package let carried: [Carried]
    /// Whether a strong identifier was sent that stands for nothing, such as a phone of three digits.
    package let hasUnusableStrong: Bool
    /// For how many events it stands, itself included: more than one where others like it have gone.
    package let standsFor: Int

    package init(
        order: EventOrder, isSignOut: Bool, carried: [Carried], hasUnusableStrong: Bool, standsFor: Int = 1
    ) {
        self.order = order
        self.isSignOut = isSignOut
        self.carried = carried
        self.hasUnusableStrong = hasUnusableStrong
        self.standsFor = standsFor
    }
}

/// Where an event stands among the events of a brand: by when it happened, then by key and source, whose
/// bytes are compared.
package struct EventOrder: Sendable, Hashable, Comparable {
    package let occurredAt: Timestamp
    package let key: String
    package let source: String

    package init(occurredAt: Timestamp, key: String, source: String) {
        self.occurredAt = occurredAt
        self.key = key
        self.source = source
    }

    /// Whether an event of this source ties identifiers: one of a browser key never does.
    package var ties: Bool { source != Event.browserSource }

    package init(_ event: Event) {
        self.init(occurredAt: event.occurredAt, key: event.key, source: event.source)
    }

    package static func == (left: EventOrder, right: EventOrder) -> Bool {
        left.occurredAt == right.occurredAt && left.key.utf8.elementsEqual(right.key.utf8)
            && left.source.utf8.elementsEqual(right.source.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(occurredAt)
        for byte in key.utf8 { hasher.combine(byte) }
    }

    package static func < (left: EventOrder, right: EventOrder) -> Bool {
        if left.occurredAt != right.occurredAt { return left.occurredAt < right.occurredAt }
        if !left.key.utf8.elementsEqual(right.key.utf8) {
            return left.key.utf8.lexicographicallyPrecedes(right.key.utf8)
        }
        return left.source.utf8.lexicographicallyPrecedes(right.source.utf8)
    }
}

/// Two different identifiers, in the order of their ids.
package struct IdentifierPair: Sendable, Hashable {
    package let low: IdentifierID
    package let high: IdentifierID

    package init(_ one: IdentifierID, _ other: IdentifierID) {
        low = min(one, other)
        high = max(one, other)
    }
}
