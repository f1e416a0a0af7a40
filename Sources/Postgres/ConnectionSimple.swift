import Reactor

// What libpq cannot do in a pipeline: scripts of several statements, and COPY. The connection leaves the
// pipeline for one such operation of a reservation's holder.
extension PostgresConnection {
    /// Waits until all requests are answered, then takes the connection out of the pipeline and sends `text`.
    /// Returns the operation's id, by which it can be cancelled.
    func beginSimple(_ text: String, holder: UInt64) async throws -> UInt64 {
        try SQL(raw: text).validate()
        repeat {
            // A request of no statements is answered when all before it have been.
            _ = try await perform([], holder: holder)
        } while !pipeline.isEmpty || isCancelling || doomed != nil || simple != nil
        let operation = nextID()
        simple = operation
        guard handle?.leavePipeline() ?? false, handle?.sendScript(text) ?? false else {
            lose(nil)
            throw lossError
        }
        return operation
    }

    /// Reads what is left of the operation and goes back to the pipeline. Throws the first failure that is
    /// left, unless the operation is being `abandoned` for a failure of its own.
    @discardableResult
    func endSimple(abandoned: Bool = false) async throws -> PostgresRows? {
        var last: PostgresRows?
        var failure: PostgresError?
        while let result = try await simpleResult() {
            switch result.kind {
            case .rows: last = PostgresRows(result: result)
            case .copyIn: _ = handle?.endCopy(failure: "no data was given")
            case .copyOut: try await discardCopy()
            default: failure = failure ?? result.error
            }
        }
        guard handle?.enterPipeline() ?? false else {
            lose(failure)
            throw lossError
        }
        simple = nil
        doomed = nil
        want(.read)
        sendWaiting()
        if let failure, !abandoned { throw failure }
        return last
    }

    /// Runs a text of statements.
    func script(_ text: String, holder: UInt64) async throws {
        let operation = try await beginSimple(text, holder: holder)
        try await cancellable(operation) { _ = try await endSimple() }
    }

    /// The next result; nil after the last.
    func simpleResult() async throws -> ServerResult? {
        try await writeAll()
        while let isBusy = handle?.isBusy, isBusy { try await socket(.read) }
        if let loss { throw loss }
        return handle?.nextResult() ?? nil
    }

    /// Waits until the socket has taken all that was queued.
    func writeAll() async throws {
        while handle?.flush() == .rest { try await socket([.read, .write]) }
        if handle?.flush() == .lost { lose(nil) }
        if let loss { throw loss }
    }

    /// Waits until the socket is ready. Nothing is read while nobody waits, so that a slow reader slows the
    /// server down.
    func socket(_ interest: Reactor.Interest) async throws {
        if let loss { throw loss }
        want(interest)
        defer { want([]) }
        try await withCheckedThrowingContinuation { socketWaiter = $0 }
    }

    private func discardCopy() async throws {
        while try await copyRows() != nil {}
    }

    /// The next rows of a COPY TO STDOUT, as many as have arrived; nil after the last.
    func copyRows() async throws -> [UInt8]? {
        let enough = 1 << 18
        var rows: [UInt8] = []
        while rows.count < enough {
            switch handle?.getCopy(into: &rows) ?? .ended {
            case .taken: continue
            case .ended where rows.isEmpty:
                if let loss { throw loss }
                return nil
            case .wait where rows.isEmpty: try await socket(.read)
            case .wait, .ended: return rows
            }
        }
        return rows
    }
}
