import Contract

/// What a brand's identity is by its events and its log of decisions.
package struct FoldedIdentity: Sendable, Equatable {
    /// A pair that an event ties, or that the log puts in force, holds or rejects.
    package struct Pair: Sendable, Equatable {
        /// What the log says of it, flags aside.
        package let standing: DecisionLog.Standing
        package let isTied: Bool
    }

    /// A question that waits for a person.
    package struct Question: Sendable, Equatable {
        package let row: ReviewRows.Row
        /// How many events carry both ends of one of its pairs.
        package let events: Int
    }

    /// The flag of each value that has one.
    package let flags: [IdentifierID: DecisionLog.Flag]
    /// The profile of each identifier that is in one.
    package let profileOf: [IdentifierID: ProfileID]
    /// The identifier that each event is placed on, in the order in which the events were given.
    package let placements: [IdentifierID?]
    /// By its two ends.
    package let pairs: [IdentifierPair: Pair]
    /// The pairs that must not come into one profile.
    package let nevers: Set<IdentifierPair>
    /// The sign-ins and sign-outs on each weak identifier that has any, flagged ones too, so that one which
    /// loses its flag has its owners at once.
    package let ownerships: [IdentifierID: WeakOwnership]
    /// What waits for a person.
    package let questions: [Question]
}
