/// What a re-fold has found: where what is stored differs from what the events and decisions say.
public struct RefoldReport: Codable, Sendable, Equatable {
    /// Differences of one kind.
    public struct Difference: Codable, Sendable, Equatable {
        /// What differs: `placement`, `order`, `pair` and so on.
        public var kind: String
        public var count: Int64
        /// The first of them in words, at most `maximumSamples`.
        public var samples: [String]

        public init(kind: String, count: Int64, samples: [String]) {
            self.kind = kind
            self.count = count
            self.samples = samples
        }
    }

    /// How many differences of one kind are put into words.
    public static let maximumSamples = 20

    /// Whether the differences were taken away.
    public var applied: Bool
    /// Events that were folded.
    public var events: Int64
    /// Identifiers that were compared.
    public var identifiers: Int64
    /// Decisions that were folded.
    public var decisions: Int64
    /// Empty when what is stored is right.
    public var differences: [Difference]

    public init(
        applied: Bool, events: Int64, identifiers: Int64, decisions: Int64, differences: [Difference]
    ) {
        self.applied = applied
        self.events = events
        self.identifiers = identifiers
        self.decisions = decisions
        self.differences = differences
    }
}

/// The body of `POST /api/identity/refold`.
public struct RefoldRequest: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case apply
    }

    /// Whether differences are taken away; else they are only shown.
    public var apply: Bool

    public init(apply: Bool) { self.apply = apply }
}
