/// Wakes the writer when events have come in, so that it need not wait for its period.
public final class Arrivals: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    public init() {
        (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Something has arrived. Costs nothing when the writer is awake.
    public func announce() { continuation.yield() }

    /// Waits until something arrives, `period` has passed, or the task is cancelled. One caller at a time.
    package func wait(atMost period: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [stream] in
                var iterator = stream.makeAsyncIterator()
                _ = await iterator.next()
            }
            group.addTask { try? await Task.sleep(for: period) }
            await group.next()
            group.cancelAll()
        }
    }
}
