import Postgres
import Testing

private struct Refusal: Error {}

@Suite struct CopyTests {
    private func prepared() async throws -> PostgresConnection {
        let connection = try await TestServer.connect()
        try await connection.run("create temp table t (a int primary key, b text)")
        return connection
    }

    /// Text rows `a\tb`, in chunks that end anywhere.
    private func chunks(_ rows: Range<Int>, size: Int = 1_000) -> AsyncStream<[UInt8]> {
        let bytes = rows.flatMap { Array("\($0)\ttext \($0)\n".utf8) }
        return AsyncStream { continuation in
            for start in stride(from: 0, to: bytes.count, by: size) {
                continuation.yield(Array(bytes[start..<min(bytes.count, start + size)]))
            }
            continuation.finish()
        }
    }

    @Test("rows go in and come out again, and the connection goes back to its pipeline")
    func roundTrip() async throws {
        let connection = try await prepared()
        async let neighbour = connection.run("select 1")
        #expect(try await connection.copyIn("copy t from stdin", rows: chunks(0..<50_000)) == 50_000)
        var copied: [UInt8] = []
        let rows = try await connection.copyOut("copy (select a, b from t order by a) to stdout") {
            copied += $0
        }
        #expect(rows == 50_000)
        let expected = (0..<50_000).map { "\($0)\ttext \($0)\n" }.joined()
        #expect(String(decoding: copied, as: UTF8.self) == expected)
        #expect(try await neighbour.count == 1)
        #expect(try await connection.run("select count(*) from t")[0].decode(Int.self) == 50_000)
    }

    @Test("a row that the server refuses fails the whole COPY")
    func refused() async throws {
        let connection = try await prepared()
        let state = await sqlState {
            try await connection.copyIn(
                "copy t from stdin", rows: chunks(0..<10).map { _ in Array("x\n".utf8) })
        }
        #expect(state == "22P04" || state == "22P02")
        #expect(try await connection.run("select 1 from t").isEmpty)
    }

    @Test("rows that cannot be produced leave nothing behind, and their error is thrown")
    func producerFails() async throws {
        let connection = try await prepared()
        let failing = chunks(0..<1_000).map { chunk throws -> [UInt8] in
            if chunk.count < 1_000 { throw Refusal() }
            return chunk
        }
        await #expect(throws: Refusal.self) {
            try await connection.copyIn("copy t from stdin", rows: failing)
        }
        #expect(try await connection.run("select 1 from t").isEmpty)
    }

    @Test("a statement that is no COPY, or goes the other way, is refused and harms nothing")
    func wrongStatement() async throws {
        let connection = try await prepared()
        func copyIn(_ sql: String) async -> String? {
            await sqlState { try await connection.copyIn(sql, rows: chunks(0..<1)) }
        }
        #expect(await copyIn("select 1") == "55000")
        #expect(await copyIn("copy t to stdout") == "55000")
        #expect(await copyIn("copy missing from stdin") == "42P01")
        #expect(await sqlState { try await connection.copyOut("copy t from stdin") { _ in } } == "55000")
        #expect(try await connection.run("select 1").count == 1)
    }

    @Test("a reader that gives up closes the connection")
    func readerFails() async throws {
        let connection = try await TestServer.connect()
        await #expect(throws: Refusal.self) {
            try await connection.copyOut("copy (select generate_series(1, 10000000)) to stdout") { _ in
                throw Refusal()
            }
        }
        #expect(await connection.isClosed)
    }

    @Test("a COPY inside a transaction is part of it")
    func inTransaction() async throws {
        let connection = try await prepared()
        try? await connection.transaction { transaction in
            #expect(try await transaction.copyIn("copy t from stdin", rows: chunks(0..<5)) == 5)
            throw Refusal()
        }
        #expect(try await connection.run("select 1 from t").isEmpty)
    }

    @Test("a cancelled COPY leaves nothing behind")
    func cancelled() async throws {
        let connection = try await prepared()
        let (stream, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        let task = Task { try await connection.copyIn("copy t from stdin", rows: stream) }
        continuation.yield(Array("1\ta\n".utf8))
        try await TestServer.waitUntilRunning("copy t from stdin")
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await connection.run("select 1 from t").isEmpty)
    }

    @Test("a COPY whose reader waits for the server is cancelled, and the connection stays")
    func cancelledReader() async throws {
        let connection = try await TestServer.connect()
        let task = Task {
            try await connection.copyOut("copy (select pg_sleep(600), 'a reader') to stdout") { _ in }
        }
        try await TestServer.waitUntilRunning("'a reader'")
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await connection.run("select 1").count == 1)
    }

    @Test("rows that are in memory are copied in the binary format too")
    func binary() async throws {
        let connection = try await prepared()
        var bytes = Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0] + [UInt8](repeating: 0, count: 8)
        bytes += [0, 2, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 1] + Array("x".utf8) + [0xFF, 0xFF]
        let copied = try await connection.copyIn(
            "copy t from stdin (format binary)", rows: bytes.map { [$0] })
        #expect(copied == 1)
        #expect(try await connection.run("select a, b from t")[0].decode((Int, String).self) == (7, "x"))
    }
}
