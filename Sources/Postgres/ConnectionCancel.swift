import Glibc
import Reactor

// Cancellation reaches the server with `PQcancel`, which interrupts whatever its backend runs at that moment.
// So it is sent only while the cancelled request is alone in flight, and nothing else is sent until libpq
// says that the server has had it.
extension PostgresConnection {
    /// Between two attempts: a cancellation that overtakes its statement does nothing and has to be repeated.
    private static let pauseMicroseconds: UInt32 = 20_000

    /// Runs `body`, which waits for the request `id`; when the task is cancelled, so is the request. Throws
    /// `CancellationError` if the server gave it up; a request that won the race returns its result.
    func cancellable<T>(
        _ id: UInt64, if isCancellable: Bool = true, _ body: () async throws -> T
    ) async throws -> T {
        guard isCancellable else { return try await body() }
        do {
            return try await withTaskCancellationHandler(operation: body) { [reactor] in
                reactor.submit { self.assumeIsolated { $0.cancel(id) } }
            }
        } catch let error as PostgresError where error.isCancellation && Task.isCancelled {
            throw CancellationError()
        }
    }

    /// A request that waits is taken out; one that runs is cancelled, unless others were sent behind it: then
    /// it runs to its end.
    private func cancel(_ id: UInt64) {
        if let entry = turns.remove(id) { return fail(entry.waiter, CancellationError()) }
        guard id == simple || id == pipeline.last else { return }
        doomed = id
        cancelDoomed()
    }

    /// Sends the cancellation if its request is the one that runs, and forgets it if that has been answered.
    func cancelDoomed() {
        if simple == nil && pipeline.isEmpty { doomed = nil }
        guard let doomed, doomed == simple ?? pipeline.first, !isCancelling, let cancellation = cancellation()
        else { return sendWaiting() }
        isCancelling = true
        startThread { [reactor] in
            cancellation.cancel()
            reactor.submit { self.assumeIsolated { $0.cancellationReturned() } }
        }
    }

    func cancellation() -> CancelHandle? { handle?.cancelHandle() }

    private func cancellationReturned() {
        isCancelling = false
        guard doomed != nil else { return sendWaiting() }
        startThread { [reactor] in
            usleep(PostgresConnection.pauseMicroseconds)
            reactor.submit { self.assumeIsolated { $0.cancelDoomed() } }
        }
    }
}
