// COPY, for a connection that is its caller's alone. The caller's rows are produced and consumed where the
// caller runs; only the bytes visit the reactor.
extension PostgresConnection {
    /// Begins a COPY FROM STDIN; throws, and is back in the pipeline, if the statement is none.
    func beginCopyIn(_ sql: String, holder: UInt64) async throws {
        try await beginCopy(sql, .copyIn, holder: holder)
    }

    /// Begins a COPY TO STDOUT; throws, and is back in the pipeline, if the statement is none.
    func beginCopyOut(_ sql: String, holder: UInt64) async throws {
        try await beginCopy(sql, .copyOut, holder: holder)
    }

    private func beginCopy(_ sql: String, _ kind: ServerResult.Kind, holder: UInt64) async throws {
        let operation = try await beginSimple(sql, holder: holder)
        try await cancellable(operation) {
            let result = try await simpleResult()
            guard result?.kind != kind else { return }
            if result?.kind == .copyIn { _ = handle?.endCopy(failure: "the statement reads rows") }
            try await endSimple(abandoned: true)
            if let result, result.kind == .failure { throw result.error }
            throw PostgresError.misuse("the statement is not the COPY that was asked for")
        }
    }

    /// Sends one chunk; false when the server has refused what came before.
    func putCopy(_ chunk: [UInt8]) async throws -> Bool {
        try Task.checkCancellation()
        while true {
            switch handle?.putCopy(chunk) {
            case .taken:
                try await writeAll()
                return true
            case .wait: try await writeAll()
            case .ended: return false
            case nil: throw lossError
            }
        }
    }

    /// Ends a COPY FROM STDIN and returns how many rows the server took; with a `failure` it takes none, and
    /// nothing is thrown for that.
    func endCopyIn(failure: String? = nil) async throws -> Int {
        while handle?.endCopy(failure: failure) == .wait { try await writeAll() }
        guard let operation = simple else { throw lossError }
        guard failure == nil else {
            try await endSimple(abandoned: true)
            return 0
        }
        return try await cancellable(operation) { try await endSimple()?.affected ?? 0 }
    }

    nonisolated(nonsending) func copyIn<Chunks: AsyncSequence>(
        _ sql: String, _ chunks: Chunks, holder: UInt64
    ) async throws -> Int where Chunks.Element == [UInt8] {
        try await beginCopyIn(sql, holder: holder)
        do {
            for try await chunk in chunks {
                guard try await putCopy(chunk) else { break }
            }
            // Many sequences end early, without an error, in a cancelled task.
            try Task.checkCancellation()
        } catch {
            _ = try? await endCopyIn(failure: "the rows could not be read")
            throw error
        }
        return try await endCopyIn()
    }

    nonisolated(nonsending) func copyOut(
        _ sql: String, holder: UInt64,
        _ body: nonisolated(nonsending) ([UInt8]) async throws -> Void
    ) async throws -> Int {
        try await beginCopyOut(sql, holder: holder)
        do {
            while let rows = try await nextCopyRows() {
                try Task.checkCancellation()
                try await body(rows)
            }
        } catch {
            // The rest can be large and nobody wants it: without the connection the server stops at once.
            await lose(.lost("a COPY was abandoned"))
            throw error
        }
        return try await endCopyOut()
    }

    private func nextCopyRows() async throws -> [UInt8]? {
        guard let operation = simple else { throw lossError }
        return try await cancellable(operation) { try await copyRows() }
    }

    private func endCopyOut() async throws -> Int {
        guard let operation = simple else { throw lossError }
        return try await cancellable(operation) { try await endSimple()?.affected ?? 0 }
    }
}

extension AsyncStream where Element: Sendable {
    init(_ elements: [Element]) {
        self.init { continuation in
            for element in elements { continuation.yield(element) }
            continuation.finish()
        }
    }
}
