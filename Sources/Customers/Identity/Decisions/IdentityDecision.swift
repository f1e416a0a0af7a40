import Contract
import Kernel

/// One row of the log of decisions: what a person or a limit has said about pairs or about a value.
///
/// The log is append-only, and the newest decision about a pair or a value wins. Decisions name identifiers,
/// never profiles, so they mean the same whatever has been merged since.
package struct IdentityDecision: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable, Codable {
        /// A limit keeps pairs out of force until a person has looked; a person rejects or approves them.
        case hold, reject, approve
        /// The first pair across two sets comes into force.
        case merge
        /// Every pair across two sets is out of force, and a `never` stands between them.
        case unmerge
        /// Pairs across two sets are out of force; `allow` lifts that.
        case never, allow
        /// The value is absent; it is back.
        case block, unblock
        /// A strong value ties nothing and still holds what is placed on it; a weak one owns and places
        /// nothing. `unshare` takes that back.
        case share, unshare
    }

    /// Rises with every decision; never used again.
    package let sequence: Int64
    package let kind: Kind
    /// Of hold, reject and approve: the pairs are `left[i]` with `right[i]`. Of merge, unmerge, never and
    /// allow: the two sets. Of the others: the value alone, and nothing on the right.
    package let left: [IdentifierID]
    package let right: [IdentifierID]
    /// Whether a limit decided, and not a person.
    package let isByLimit: Bool

    package init(
        sequence: Int64, kind: Kind, left: [IdentifierID], right: [IdentifierID] = [], isByLimit: Bool = false
    ) {
        self.sequence = sequence
        self.kind = kind
        self.left = left
        self.right = right
        self.isByLimit = isByLimit
    }
}
