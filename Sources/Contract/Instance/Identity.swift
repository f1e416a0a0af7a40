import Kernel

/// The body of a decision about two profiles: `POST /api/profiles/:id/merge`, `/never` and `/allow`.
public struct ProfilePairDraft: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case with, reason, shown
    }

    /// The other profile.
    public var with: ProfileID
    /// Why; kept for ever.
    public var reason: String
    /// The `shown` of a preview: what has changed since is refused.
    public var shown: String?

    public init(with: ProfileID, reason: String, shown: String? = nil) {
        self.with = with
        self.reason = reason
        self.shown = shown
    }
}

/// The body of `POST /api/profiles/:id/unmerge`.
public struct UnmergeDraft: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case identifiers, reason, shown
    }

    /// The strong identifiers that leave, by kind, as the profile shows them.
    public var identifiers: [String: [String]]
    public var reason: String
    public var shown: String?

    public init(identifiers: [String: [String]], reason: String, shown: String? = nil) {
        self.identifiers = identifiers
        self.reason = reason
        self.shown = shown
    }
}

/// The body of a decision about a value: `POST /api/identifiers/block`, `/unblock`, `/share` and `/unshare`.
public struct ValueDraft: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case kind, value, reason, shown
    }

    /// A kind of identifier, such as `email`.
    public var kind: String
    public var value: String
    public var reason: String
    public var shown: String?

    public init(kind: String, value: String, reason: String, shown: String? = nil) {
        self.kind = kind
        self.value = value
        self.reason = reason
        self.shown = shown
    }
}

/// The body of an answer to a row of the review queue: `POST /api/merge-queue/:id/approve` and `/reject`.
public struct ReviewAnswer: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case reason, shown
    }

    public var reason: String
    /// The row's `shown`: a row that has changed since is refused.
    public var shown: String?

    public init(reason: String, shown: String? = nil) {
        self.reason = reason
        self.shown = shown
    }
}
