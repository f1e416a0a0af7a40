import Kernel
import Postgres

/// The table of jobs' last runs.
struct JobStore: Sendable {
    let pool: PostgresPool

    /// The last run of every job that has had one, by name.
    func runs() async throws -> [String: JobRun] {
        let rows = try await pool.run("select name, started_at, ended_at, counts, error from job_run")
        return Dictionary(uniqueKeysWithValues: try rows.map(JobStore.decode))
    }

    /// Has the job to itself until the transaction ends: whoever else would run it waits.
    func hold(_ name: String, in transaction: PostgresTransaction) async throws {
        try await transaction.run(
            "select pg_advisory_xact_lock(hashtext('constintel job'), hashtext(\(name)))")
    }

    /// Keeps what became of a run.
    func note(_ run: JobRun, of name: String, in transaction: PostgresTransaction) async throws {
        let counts = try JSONB(encoding: run.counts)
        try await transaction.run(
            """
            insert into job_run (name, started_at, ended_at, counts, error)
            values (\(name), \(run.startedAt), \(run.endedAt), \(counts), \(run.error))
            on conflict (name) do update set started_at = excluded.started_at, ended_at = excluded.ended_at,
                counts = excluded.counts, error = excluded.error
            """)
    }

    private static func decode(_ row: PostgresRow) throws -> (String, JobRun) {
        let (name, startedAt, endedAt, counts, error) = try row.decode(
            (String, Timestamp, Timestamp, JSONB, String?).self)
        return (
            name,
            JobRun(
                startedAt: startedAt, endedAt: endedAt, counts: try counts.decode([String: Int].self),
                error: error)
        )
    }
}

extension PostgresTransaction {
    /// Does long work elsewhere while this transaction is held, which the server would end for being idle
    /// (`Leadership.Settings.idleTransaction`). The one of a process that is frozen it still ends.
    func held<Value: Sendable>(
        sign: Duration = .milliseconds(300), during work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            defer { group.cancelAll() }
            group.addTask { try await work() }
            // The signs are given from here: cancelling one on its way would end the transaction.
            let pause: @Sendable () async throws -> Value? = {
                try await Task.sleep(for: sign)
                return nil
            }
            group.addTask(operation: pause)
            while let ended = try await group.next() {
                if let value = ended { return value }
                try await run("select 1")
                group.addTask(operation: pause)
            }
            throw CancellationError()
        }
    }
}
