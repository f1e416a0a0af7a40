/// How long to wait before a child that died is started again: 100 ms, doubled each time, 10 s at most.
struct RestartPause: Sendable {
    static let shortest = Duration.milliseconds(100)
    static let longest = Duration.seconds(10)
    /// A child that has been ready for so long begins again with the shortest pause.
    static let standing = Duration.seconds(30)

    private var upcoming = shortest

    /// The pause to make now.
    mutating func next() -> Duration {
        defer { upcoming = min(upcoming * 2, RestartPause.longest) }
        return upcoming
    }

    mutating func reset() { upcoming = RestartPause.shortest }
}

extension Clock where Duration == Swift.Duration {
    /// Tells, each time it is asked, how long ago this was called.
    func stopwatch() -> @Sendable () -> Duration {
        let start = now
        return { start.duration(to: now) }
    }
}
