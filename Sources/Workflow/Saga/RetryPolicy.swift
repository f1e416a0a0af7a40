/// How often something is tried, and how long to wait in between: growing pauses with an upper bound.
package struct RetryPolicy: Sendable {
    /// All tries, the first included.
    package let attempts: Int
    /// The pause after the first try; each further one is twice as long.
    package let first: Duration
    package let longest: Duration

    package init(attempts: Int, first: Duration, longest: Duration) {
        self.attempts = attempts
        self.first = first
        self.longest = longest
    }

    /// The pause after the `attempt`th try, counted from 1.
    package func pause(after attempt: Int) -> Duration {
        var pause = first
        for _ in 1..<max(attempt, 1) where pause < longest { pause *= 2 }
        return min(pause, longest)
    }

    /// Runs `work` until it succeeds, `isWorthwhile` says that its error will stay, or the tries are used up;
    /// throws the last error. Nothing is tried again once the task is cancelled.
    package func run<Value>(
        pausingBy clock: any Clock<Duration>, while isWorthwhile: (any Error) -> Bool,
        _ work: () async throws -> Value
    ) async throws -> Value {
        var attempt = 1
        while true {
            do {
                return try await work()
            } catch {
                if Task.isCancelled { throw CancellationError() }
                guard attempt < attempts, isWorthwhile(error) else { throw error }
            }
            try await clock.sleep(for: pause(after: attempt))
            attempt += 1
        }
    }
}
