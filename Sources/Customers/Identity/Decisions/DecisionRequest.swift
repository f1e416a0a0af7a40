import Contract
import Kernel

/// Names the ids of rows in the queue of what waits for a person.
public enum ReviewRowSubject {}
/// The id of a row in the queue of what waits for a person.
public typealias ReviewRowID = TypedID<ReviewRowSubject>

/// What a person wants to be decided (`identity.md`, "Decisions").
///
/// Profiles are named by their ids, values by the ids of their identifiers; the log keeps identifiers alone.
public enum DecisionRequest: Sendable, Hashable {
    /// The two become one, outside the limits.
    case merge(ProfileID, ProfileID)
    /// The strong identifiers leave the profile, and may not come together with the rest again.
    case unmerge(ProfileID, separating: [IdentifierID])
    /// The two may not come together.
    case never(ProfileID, ProfileID)
    /// They may again.
    case allow(ProfileID, ProfileID)
    /// The value is absent from now on.
    case block(IdentifierID)
    /// It is back.
    case unblock(IdentifierID)
    /// The value is many people's: it ties nobody.
    case share(IdentifierID)
    /// It is one person's again.
    case unshare(IdentifierID)
    /// What waits in the row comes together, outside the limits.
    case approve(ReviewRowID)
    /// It does not.
    case reject(ReviewRowID)
    /// The two profiles of the row may not come together, by whatever events.
    case keepApart(ReviewRowID)

    /// The kind under which it is logged.
    package var kind: IdentityDecision.Kind {
        switch self {
        case .merge: .merge
        case .unmerge: .unmerge
        case .never, .keepApart: .never
        case .allow: .allow
        case .block: .block
        case .unblock: .unblock
        case .share: .share
        case .unshare: .unshare
        case .approve: .approve
        case .reject: .reject
        }
    }
}

/// Who decides, and why; both are kept for ever.
public struct DecisionAuthor: Sendable, Hashable {
    /// Bytes of either text.
    public static let maximumBytes = 1000

    /// Whom the log names.
    public let actor: String
    /// For whoever reads the log.
    public let reason: String

    /// - Throws: `Fault.invalid` when either text is empty or too long.
    public init(actor: String, reason: String) throws(Fault) {
        for (field, text) in [("actor", actor), ("reason", reason)] {
            guard (1...DecisionAuthor.maximumBytes).contains(text.utf8.count), !text.utf8.contains(0) else {
                throw Fault(
                    .invalid, doing: "decide", "expected 1 to \(DecisionAuthor.maximumBytes) bytes of text",
                    field: field)
            }
        }
        self.actor = actor
        self.reason = reason
    }
}

/// What a decision has changed, or would change.
public struct DecisionReport: Sendable {
    /// Profiles listed before and after, at most; `profilesChanged` counts all.
    public static let maximumProfiles = 100
    /// Rows of the queue listed at most.
    public static let maximumRows = 100

    /// Its place in the log; nil for a preview.
    public let sequence: Int64?
    /// Stands for what the decision is about as it was before. Passed to `Decisions.decide`, it makes sure
    /// that nothing of that has changed since. Empty when it would be refused.
    public let shown: String
    /// How many profiles are changed, made or taken away.
    public let profilesChanged: Int
    /// The profiles before, each a JSON object with its identifiers, orders, value and consent.
    public let before: [String]
    /// The same profiles afterwards, and those that are made.
    public let after: [String]
    /// Pairs that a limit holds from now on, which the decision would else have brought into force.
    public let held: Int
    /// Rows of the queue that open or close, each a JSON object.
    public let rows: [String]
    /// Why it would be refused, in a preview; the profiles are then as they are.
    public let refusal: Fault?
}
