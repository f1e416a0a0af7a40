import Kernel
import Testing

@testable import Postgres

@Suite struct ConnectionTests {
    @Test("a thousand concurrent statements on one connection each get their own answer")
    func concurrency() async throws {
        let connection = try await TestServer.connect()
        let answers = try await withThrowingTaskGroup(of: (Int, Int).self) { group in
            for number in 0..<1_000 {
                group.addTask {
                    let rows = try await connection.run("select \(number) * 2")
                    return (number, try rows[0].decode(Int.self))
                }
            }
            return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        #expect(answers.count == 1_000)
        #expect(answers.allSatisfy { $0.value == $0.key * 2 })
        await connection.close()
    }

    @Test("a failed statement between good ones harms neither")
    func failureBetween() async throws {
        let connection = try await TestServer.connect()
        async let before = connection.run("select 1")
        async let failing = sqlState { try await connection.run("select 1 / \(0)") }
        async let unknown = sqlState { try await connection.run("select nothing from nowhere") }
        async let after = connection.run("select 2")
        #expect(try await before[0].decode(Int.self) == 1)
        #expect(await failing == "22012")
        #expect(await unknown == "42P01")
        #expect(try await after[0].decode(Int.self) == 2)
    }

    @Test("a request of several statements takes effect as a whole or not at all")
    func requestIsAtomic() async throws {
        let connection = try await TestServer.connect()
        try await connection.run("create temp table t (a int primary key)")
        let results = try await connection.run(all: [
            "insert into t values (1), (2)", "select a from t order by a", "select count(*) from t",
        ])
        #expect(results[0].affected == 2 && results[0].tag == "INSERT 0 2")
        #expect(try results[1].decode(Int.self) == [1, 2])
        let state = await sqlState {
            try await connection.run(all: [
                "insert into t values (3)", "insert into t values (1)", "insert into t values (4)",
            ])
        }
        #expect(state == "23505")
        #expect(try await connection.run("select count(*) from t")[0].decode(Int.self) == 2)
    }

    @Test("a result larger than any socket buffer, and as large a parameter, arrive whole")
    func large() async throws {
        let connection = try await TestServer.connect()
        let text = String(repeating: "0123456789", count: 1_000_000)
        async let neighbour = connection.run("select 7")
        let rows = try await connection.run("select \(text), length(\(text))")
        #expect(try rows[0].decode((String, Int).self) == (text, text.utf8.count))
        #expect(try await neighbour[0].decode(Int.self) == 7)
    }

    @Test("a prepared statement survives a change of its table")
    func stalePlan() async throws {
        let connection = try await TestServer.connect()
        func read() async throws -> Int { try await connection.run("select * from t")[0].decode("a") }
        try await connection.run("create temp table t (a int)")
        try await connection.run("insert into t values (5)")
        #expect(try await read() == 5)
        #expect(try await read() == 5)
        try await connection.run("alter table t add column b int")
        #expect(await sqlState { _ = try await read() } == "0A000")
        #expect(try await read() == 5)
    }

    @Test("a server that is not there is unavailable, and so is a wrong password")
    func refusal() async throws {
        var configuration = try TestServer.configuration()
        configuration.port = 1
        await #expect {
            try await PostgresConnection.connect(configuration, on: TestServer.reactor)
        } throws: {
            ($0 as? Fault)?.code == .unavailable
        }
        configuration = try TestServer.configuration().with(database: "no such \"database\"")
        await #expect {
            try await PostgresConnection.connect(configuration, on: TestServer.reactor)
        } throws: {
            ($0 as? Fault)?.code == .unavailable
        }
    }

    @Test("a terminated backend fails all that waits, and the connection knows that it is closed")
    func terminated() async throws {
        let connection = try await TestServer.connect()
        let killer = try await TestServer.connect()
        let pid = try await connection.run("select pg_backend_pid()")[0].decode(Int32.self)
        async let running = sqlState { try await connection.run("select pg_sleep(60), 'terminated'") }
        try await TestServer.waitUntilRunning("'terminated'")
        async let waiting = sqlState { try await connection.run("select 1") }
        try await killer.run("select pg_terminate_backend(\(pid))")
        #expect(await running == "57P01")
        #expect(["57P01", "08006"].contains(await waiting))
        #expect(await connection.isClosed)
        #expect(await sqlState { try await connection.run("select 1") } != nil)
    }

    @Test("a connection that is closed fails what waits")
    func closed() async throws {
        let connection = try await TestServer.connect()
        async let running = sqlState { try await connection.run("select pg_sleep(60), 'closed'") }
        try await TestServer.waitUntilRunning("'closed'")
        await connection.close()
        #expect(await running == "08006")
    }

    @Test("an ordinary statement that turns out to be a COPY fails clearly")
    func copyAsStatement() async throws {
        let connection = try await TestServer.connect()
        #expect(await sqlState { try await connection.run("copy (select 1) to stdout") } != nil)
    }

    @Test("a statement without text has no rows")
    func emptyStatement() async throws {
        let connection = try await TestServer.connect()
        #expect(try await connection.run("").isEmpty)
        #expect(try await connection.run(all: []).isEmpty)
    }
}

@Suite struct CancellationTests {
    @Test("cancelling the task frees its connection at once")
    func cancels() async throws {
        let connection = try await TestServer.connect()
        let task = Task { try await connection.run("select pg_sleep(600), 'cancels'") }
        try await TestServer.waitUntilRunning("'cancels'")
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await connection.run("select 1")[0].decode(Int.self) == 1)
    }

    @Test("a cancellation that comes before its statement has begun is not lost")
    func early() async throws {
        let connection = try await TestServer.connect()
        for _ in 0..<20 {
            let task = Task { try await connection.run("select pg_sleep(600)") }
            await Task.yield()
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(try await connection.run("select 1").count == 1)
        }
    }

    @Test("what waits for its turn is cancelled without a word to the server")
    func waiting() async throws {
        let connection = try await TestServer.connect()
        try await connection.transaction { transaction in
            let task = Task { try await connection.run("select 1") }
            try await transaction.run("select 1")
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test("neighbours behind a cancelled statement are not hit")
    func neighbours() async throws {
        let connection = try await TestServer.connect()
        let blocker = try await TestServer.connect()
        let key = Int.random(in: 0..<Int.max)
        try await blocker.run("select pg_advisory_lock(\(key))")
        let task = Task { try await connection.run("select pg_advisory_lock(\(key)), 'neighbours'") }
        try await TestServer.waitUntilRunning("'neighbours'")
        async let neighbour = connection.run("select 2")
        while await connection.requestsInFlight < 2 { await Task.yield() }
        task.cancel()
        await blocker.close()
        #expect(try await neighbour[0].decode(Int.self) == 2)
        #expect(try await task.value.count == 1)
    }

    @Test("a cancelled transaction is rolled back")
    func transaction() async throws {
        let connection = try await TestServer.connect()
        try await connection.run("create temp table t (a int)")
        let task = Task {
            try await connection.transaction { transaction in
                try await transaction.run("insert into t values (1)")
                try await transaction.run("select pg_sleep(600), 'rolled back'")
            }
        }
        try await TestServer.waitUntilRunning("'rolled back'")
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await connection.run("select 1 from t").isEmpty)
    }

    @Test("a script is cancelled too")
    func script() async throws {
        let connection = try await TestServer.connect()
        let task = Task { try await connection.runScript("select 1; select pg_sleep(600), 'a script';") }
        try await TestServer.waitUntilRunning("'a script'")
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await connection.run("select 1").count == 1)
    }
}

extension PostgresConnection {
    fileprivate var requestsInFlight: Int { pipeline.count }
}
