/// When something that keeps failing is tried again: a few times at once, then after pauses that double.
///
/// So it costs less the longer it has failed, and is never given up.
package struct Quarantine: Sendable {
    /// Failures in a row after which there is no pause yet: a hiccup is no quarantine.
    package let tolerated: Int
    /// The pause after the first failure beyond those; each further one is twice as long.
    package let first: Duration
    package let longest: Duration

    package init(tolerated: Int = 2, first: Duration = .seconds(10), longest: Duration = .seconds(600)) {
        self.tolerated = tolerated
        self.first = first
        self.longest = longest
    }

    /// How long it is left alone after so many failures in a row; nil when it is not.
    package func pause(after failures: Int) -> Duration? {
        guard failures > tolerated else { return nil }
        var pause = first
        for _ in (tolerated + 1)..<failures where pause < longest { pause *= 2 }
        return min(pause, longest)
    }
}
