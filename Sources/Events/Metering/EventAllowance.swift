import Kernel

/// How many events a brand may send. What is nil is not limited.
public struct EventAllowance: Sendable, Equatable {
    /// Events in a second, on average.
    public var perSecond: Int?
    /// Events in a month of `timeZone`; as many again by test keys.
    public var perMonth: Int?
    /// Profiles, beyond which no event is accepted.
    public var profiles: Int?
    /// The brand's, which says when its month begins.
    public var timeZone: String

    public init(
        perSecond: Int? = nil, perMonth: Int? = nil, profiles: Int? = nil, timeZone: String = "UTC"
    ) {
        self.perSecond = perSecond
        self.perMonth = perMonth
        self.profiles = profiles
        self.timeZone = timeZone
    }

    /// How many events may come at once when few have come before: ten seconds' worth, and always a whole
    /// batch, since otherwise some batches could never be sent.
    public var burst: Int? { perSecond.map { max($0 * 10, EventLimits.batchEvents) } }
}

/// How much of its allowance a brand has left.
public struct EventStanding: Sendable {
    public var allowance: EventAllowance
    /// Events that could come at once; nil where no limit of a second is set.
    public var availableNow: Int?
    /// nil until it was needed for the first time.
    public var usage: EventUsage?
}

/// What a brand has used of its allowance.
public struct EventUsage: Sendable, Equatable {
    /// The present month in the brand's time zone: its first instant, and the next month's.
    public var month: Range<Timestamp>
    /// Events that were committed in it, each once.
    public var events: Int
    /// Those of test keys.
    public var testEvents: Int
    /// Profiles that there are now.
    public var profiles: Int

    public init(month: Range<Timestamp>, events: Int, testEvents: Int, profiles: Int) {
        self.month = month
        self.events = events
        self.testEvents = testEvents
        self.profiles = profiles
    }
}
