import Synchronization

/// A clock that stands still until a test moves it.
final class ManualClock: Clock, Sendable {
    struct Instant: InstantProtocol {
        var offset: Duration
        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - offset }
        static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private struct Sleeper {
        let deadline: Instant
        let length: Duration
        let wake: AsyncStream<Void>.Continuation
    }

    private struct State {
        var now = Instant(offset: .zero)
        var sleepers: [Sleeper] = []
    }

    private let state = Mutex(State())

    var now: Instant { state.withLock { $0.now } }
    var minimumResolution: Duration { .nanoseconds(1) }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let (wakes, wake) = AsyncStream<Void>.makeStream()
        state.withLock { state in
            let length = state.now.duration(to: deadline)
            if length <= .zero { return wake.finish() }
            state.sleepers.append(Sleeper(deadline: deadline, length: length, wake: wake))
        }
        for await _ in wakes {}
        try Task.checkCancellation()
    }

    /// Moves time and wakes whoever has slept long enough.
    func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.now = state.now.advanced(by: duration)
            let due = state.sleepers.filter { $0.deadline <= state.now }
            state.sleepers.removeAll { $0.deadline <= state.now }
            return due
        }
        for sleeper in due { sleeper.wake.finish() }
    }

    /// Returns once somebody sleeps for exactly `length`.
    func untilSomeoneSleeps(for length: Duration) async {
        while !state.withLock({ state in state.sleepers.contains { $0.length == length } }) {
            await pollingPause()
        }
    }
}

/// The pause between two looks at what another process does, on which no clock of ours has a hold.
func pollingPause() async {
    try? await Task.sleep(for: .milliseconds(2))
}
