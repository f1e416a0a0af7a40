import Contract
import Kernel

/// Who owns one weak identifier when: made of the sign-ins and sign-outs on it.
///
/// A sign-in owns from its own event on, until the next sign-in, a sign-out, which is still its own, or
/// 30 days, whichever comes first. It also reaches back 30 days, as far as the end of the ownership before it
/// or a sign-out.
package struct WeakOwnership: Sendable, Equatable {
    /// A sign-in, or a sign-out.
    package struct Sighting: Sendable, Equatable {
        package let order: EventOrder
        /// The identifier that signed in; nil for a sign-out.
        package let owner: IdentifierID?
    }

    /// How long a sign-in owns without another, and how far it reaches back.
    package static let span = Duration.seconds(30 * 24 * 3600)

    /// By the order of events.
    package let sightings: [Sighting]

    /// - Parameter sightings: in any order; an owner of nil is a sign-out.
    package init(sightings: [(EventOrder, owner: IdentifierID?)]) {
        self.sightings = sightings.map { Sighting(order: $0, owner: $1) }.sorted { $0.order < $1.order }
    }

    /// The owner of the first sign-in; nil when there has been none.
    package var firstOwner: IdentifierID? { sightings.lazy.compactMap(\.owner).first }

    /// The owner at an event without a strong identifier of its own; nil when nobody is.
    ///
    /// - Parameter isSignOut: whether the event is a sign-out. One is owned from before it, and nothing
    ///   reaches back to it.
    package func owner(at order: EventOrder, isSignOut: Bool) -> IdentifierID? {
        let next = firstIndex { isSignOut ? $0 >= order : $0 > order }
        if next > 0 {
            let last = sightings[next - 1]
            if let owner = last.owner, order.occurredAt < last.order.occurredAt + WeakOwnership.span {
                return owner
            }
        }
        guard !isSignOut, next < sightings.count else { return nil }
        let reaching = sightings[next]
        return order.occurredAt >= reaching.order.occurredAt - WeakOwnership.span ? reaching.owner : nil
    }

    /// The place of the first sighting that is past some point, or their count, by halving.
    private func firstIndex(where isPast: (EventOrder) -> Bool) -> Int {
        var range = sightings.startIndex..<sightings.endIndex
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range =
                isPast(sightings[middle].order)
                ? range.lowerBound..<middle : middle + 1..<range.upperBound
        }
        return range.lowerBound
    }
}
