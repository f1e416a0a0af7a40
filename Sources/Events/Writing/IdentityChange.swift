import Contract
import Kernel

/// What a batch, or a decision, has changed about who is who. Identity reports it; the rooms behind it
/// re-point what is theirs.
public struct IdentityChange: Sendable {
    /// A stored event that is now placed elsewhere.
    public struct Replaced: Sendable {
        public let id: EventID
        /// When it was received, which finds its partition.
        public let receivedAt: Timestamp
        public let from: Placement?
        public let placement: Placement?

        public init(id: EventID, receivedAt: Timestamp, from: Placement?, placement: Placement?) {
            self.id = id
            self.receivedAt = receivedAt
            self.from = from
            self.placement = placement
        }
    }

    /// Two profiles that became one, or one that became two.
    public struct History: Sendable {
        public let isMerge: Bool
        /// The one that keeps its id.
        public let base: ProfileID
        /// The one that came into it, or left it.
        public let other: ProfileID
        public let reason: String
        public let actor: String

        public init(isMerge: Bool, base: ProfileID, other: ProfileID, reason: String, actor: String) {
            self.isMerge = isMerge
            self.base = base
            self.other = other
            self.reason = reason
            self.actor = actor
        }
    }

    /// Identifiers that came into another profile, with what is placed on them.
    public var moved: [IdentifierID: ProfileID] = [:]
    /// Stored events that are placed on another identifier.
    public var replaced: [Replaced] = []
    /// Profiles that the batch has made; when its events saw them is written already.
    public var made: Set<ProfileID> = []
    /// Profiles that there are no more.
    public var removed: Set<ProfileID> = []
    /// Profiles, still there, of which more or less than before is placed: what is derived from it must be
    /// derived anew.
    public var disturbed: Set<ProfileID> = []
    /// Merges and unmerges, for the record.
    public var history: [History] = []
    /// The profiles of `history` as they were before, JSON, by id.
    public var snapshots: [ProfileID: JSONBytes] = [:]

    /// The bytes of a JSON text.
    public typealias JSONBytes = [UInt8]

    public init() {}

    public var isEmpty: Bool { moved.isEmpty && replaced.isEmpty && removed.isEmpty && disturbed.isEmpty }
}
