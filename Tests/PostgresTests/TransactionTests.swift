import Postgres
import Testing

private struct Refusal: Error {}

@Suite struct TransactionTests {
    private func prepared() async throws -> PostgresConnection {
        let connection = try await TestServer.connect()
        try await connection.run("create temp table t (a int primary key)")
        return connection
    }

    private func count(_ connection: PostgresConnection) async throws -> Int {
        try await connection.run("select count(*) from t")[0].decode(Int.self)
    }

    @Test("a transaction commits what it did and returns what its body returns")
    func commits() async throws {
        let connection = try await prepared()
        let tag = try await connection.transaction { try await $0.run("insert into t values (1)").tag }
        #expect(tag == "INSERT 0 1")
        #expect(try await count(connection) == 1)
    }

    @Test("a body that throws is rolled back, and its error is thrown")
    func rollsBack() async throws {
        let connection = try await prepared()
        await #expect(throws: Refusal.self) {
            try await connection.transaction { transaction in
                try await transaction.run("insert into t values (1)")
                throw Refusal()
            }
        }
        #expect(try await count(connection) == 0)
    }

    @Test("committing a transaction in which a statement failed throws")
    func abortedCommit() async throws {
        let connection = try await prepared()
        let state = await sqlState {
            try await connection.transaction { transaction in
                try await transaction.run("insert into t values (1)")
                _ = try? await transaction.run("select 1 / 0")
            }
        }
        #expect(state == "40000")
        #expect(try await count(connection) == 0)
    }

    @Test("a constraint that is checked at COMMIT fails the transaction")
    func deferredConstraint() async throws {
        let connection = try await prepared()
        try await connection.run(
            "create temp table u (a int references t deferrable initially deferred)")
        let state = await sqlState {
            _ = try await connection.transaction { try await $0.run("insert into u values (9)") }
        }
        #expect(state == "23503")
        #expect(try await connection.run("select a from u").isEmpty)
    }

    @Test("other callers' statements stay outside a transaction")
    func exclusive() async throws {
        let connection = try await prepared()
        async let others: Void = withThrowingTaskGroup { group in
            for number in 100..<150 {
                group.addTask { _ = try await connection.run("insert into t values (\(number))") }
            }
            try await group.waitForAll()
        }
        for number in 0..<20 {
            try? await connection.transaction { transaction in
                try await transaction.run("insert into t values (\(number))")
                throw Refusal()
            }
        }
        try await others
        #expect(try await count(connection) == 50)
    }

    @Test("a transaction cannot be used after its end")
    func over() async throws {
        let connection = try await prepared()
        let ended = try await connection.transaction { $0 }
        #expect(await sqlState { try await ended.run("select 1") } == "55000")
    }

    @Test("a snapshot sees no later change and refuses to write")
    func snapshot() async throws {
        let connection = try await TestServer.connect()
        let state = await sqlState {
            _ = try await connection.transaction(.snapshot) { try await $0.run("create table x (a int)") }
        }
        #expect(state == "25006")
    }

    @Test("a script runs all its statements, or none when one fails")
    func scripts() async throws {
        let connection = try await prepared()
        try await connection.runScript("insert into t values (1); insert into t values (2); select 'x;y';")
        #expect(try await count(connection) == 2)
        #expect(
            await sqlState { try await connection.runScript("insert into t values (3); select x;") }
                == "42703")
        #expect(try await count(connection) == 2)
        #expect(await sqlState { try await connection.runScript("this is no SQL") } == "42601")
        try await connection.runScript("")
        #expect(try await count(connection) == 2)
    }

    @Test("a script inside a transaction is part of it")
    func scriptInTransaction() async throws {
        let connection = try await prepared()
        try? await connection.transaction { transaction in
            try await transaction.runScript("insert into t values (1); insert into t values (2);")
            #expect(try await transaction.run("select a from t").count == 2)
            throw Refusal()
        }
        #expect(try await count(connection) == 0)
    }
}
