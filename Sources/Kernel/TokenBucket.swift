/// Lets so many through in a second on average, and more at once after a time of less: what has not been used
/// is saved up to `burst`. In any span of `t` seconds at most `burst + rate · t` get through.
public struct TokenBucket: Sendable, Equatable {
    /// How many come in a second.
    public private(set) var rate: Double
    /// How many are saved at most.
    public private(set) var burst: Double
    private var saved: Double
    private var countedAt: Timestamp

    /// A full bucket.
    public init(rate: Double, burst: Double, at instant: Timestamp) {
        self.rate = rate
        self.burst = burst
        saved = burst
        countedAt = instant
    }

    /// Takes `count` and gives nil, or takes nothing and gives the time after which there are as many. More
    /// than `burst` never come together: they are let through from a full bucket, and paid for afterwards.
    public mutating func take(_ count: Int, at instant: Timestamp) -> Duration? {
        if let wait = wait(for: count, at: instant) { return wait }
        saved -= Double(count)
        return nil
    }

    /// The time after which `count` could be taken; nil when they could be now.
    public mutating func wait(for count: Int, at instant: Timestamp) -> Duration? {
        fill(to: instant)
        let wanted = min(Double(count), burst)
        return saved >= wanted ? nil : .seconds((wanted - saved) / rate)
    }

    /// How many could be taken at once.
    public mutating func available(at instant: Timestamp) -> Int {
        fill(to: instant)
        return max(0, Int(saved))
    }

    /// Goes on at another rate. What is saved stays, as far as the new burst allows.
    public mutating func change(rate: Double, burst: Double, at instant: Timestamp) {
        guard rate != self.rate || burst != self.burst else { return }
        fill(to: instant)
        self.rate = rate
        self.burst = burst
        saved = min(saved, burst)
    }

    /// A clock that was set back adds nothing.
    private mutating func fill(to instant: Timestamp) {
        let seconds = (instant - countedAt).inSeconds
        countedAt = instant
        if seconds > 0 { saved = min(burst, saved + seconds * rate) }
    }
}
