import Kernel
import Postgres
import Testing

@Suite struct PoolTests {
    @Test("callers share the connections, and never one at the same time")
    func shares() async throws {
        let pool = try TestServer.pool(maximum: 3)
        let pids = try await withThrowingTaskGroup(of: Int32.self) { group in
            for _ in 0..<200 {
                group.addTask { try await pool.run("select pg_backend_pid()")[0].decode(Int32.self) }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect((1...3).contains(pids.count))
        await pool.close()
    }

    @Test("who waits too long for a connection is told that it is unavailable")
    func exhaustion() async throws {
        let pool = try TestServer.pool(maximum: 1, patience: .milliseconds(30))
        try await pool.withConnection { connection in
            await #expect { try await pool.run("select 1") } throws: { ($0 as? Fault)?.code == .unavailable }
            try await connection.run("select 1")
        }
        #expect(try await pool.run("select 1").count == 1)
        let occupancy = await pool.occupancy
        #expect(occupancy.used == 0 && occupancy.idle == 1 && occupancy.maximum == 1)
        #expect(occupancy.waiting == 0 && occupancy.refusals == 1)
        await pool.close()
    }

    @Test("a cancelled wait ends at once, and loses no connection")
    func cancelledWait() async throws {
        let pool = try TestServer.pool(maximum: 1)
        try await pool.withConnection { _ in
            let task = Task { try await pool.run("select 1") }
            await Task.yield()
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        #expect(try await pool.run("select 1").count == 1)
        await pool.close()
    }

    @Test("a lost connection is replaced")
    func replaced() async throws {
        let pool = try TestServer.pool(maximum: 1)
        let killer = try await TestServer.connect()
        for _ in 0..<3 {
            let pid = try await pool.run("select pg_backend_pid()")[0].decode(Int32.self)
            try await killer.run("select pg_terminate_backend(\(pid))")
            while try await !killer.run("select 1 from pg_stat_activity where pid = \(pid)").isEmpty {}
            // The socket says so in its own time; a statement that was faster fails, and only once.
            while (try? await pool.run("select 1")) == nil {}
        }
        await pool.close()
    }

    @Test("a connection that comes back with its transaction open is closed")
    func leftOpen() async throws {
        let pool = try TestServer.pool(maximum: 1)
        let before = try await pool.withConnection { connection in
            try await connection.run("begin")
            return try await connection.run("select pg_backend_pid()")[0].decode(Int32.self)
        }
        let after = try await pool.run("select pg_backend_pid(), now() = statement_timestamp()")
        #expect(try after[0].decode(0, as: Int32.self) != before)
        await pool.close()
    }

    @Test("a pool whose server is away says so, and gives its places up")
    func away() async throws {
        var configuration = try TestServer.configuration()
        configuration.port = 1
        let pool = PostgresPool(
            configuration, maximum: 2, reactor: TestServer.reactor, logger: .init(label: "tests"))
        for _ in 0..<5 {
            await #expect { try await pool.run("select 1") } throws: { ($0 as? Fault)?.code == .unavailable }
        }
    }

    @Test("connections that were not needed for a while are closed, and those that were are not")
    func unneeded() async throws {
        let pool = try TestServer.pool(maximum: 3)
        _ = try await pool.withConnection { _ in
            try await pool.withConnection { _ in try await pool.run("select 1") }
        }
        #expect(await pool.occupancy.idle == 3)
        await pool.closeUnneeded()
        #expect(await pool.occupancy.idle == 3, "all three have been needed until now")
        let pid = try await pool.run("select pg_backend_pid()")[0].decode(Int32.self)
        await pool.closeUnneeded()
        #expect(await pool.occupancy.idle == 1)
        #expect(try await pool.run("select pg_backend_pid()")[0].decode(Int32.self) == pid)
        await pool.closeUnneeded()
        await pool.closeUnneeded()
        #expect(await pool.occupancy.idle == 0)
        let other = try await pool.withConnection { _ in
            try await pool.withConnection { _ in
                try await pool.run("select pg_backend_pid()")[0].decode(Int32.self)
            }
        }
        #expect(other != pid, "a closed connection leaves its place to another")
        await pool.close()
    }

    @Test("a closed pool refuses")
    func closed() async throws {
        let pool = try TestServer.pool(maximum: 1)
        try await pool.run("select 1")
        await pool.close()
        await #expect { try await pool.run("select 1") } throws: { ($0 as? Fault)?.code == .unavailable }
    }
}
