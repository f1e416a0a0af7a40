import Kernel
import Postgres
import Workflow

/// What checks read of a database server itself, through the sessions that the daemon works with.
struct ServerCheckStore: Sendable {
    let pool: PostgresPool

    /// A server as one of its sessions sees it.
    struct Server: Sendable {
        /// Such as 150014 for 15.14.
        let versionNumber: Int
        let version: String
        /// Whether it is a standby that follows another, and takes no writes.
        let isStandby: Bool
        /// Settings that what is acknowledged rests on, with their values.
        let durability: [(name: String, value: String)]
        let connections: Int
        let maximumConnections: Int
    }

    func server() async throws -> Server {
        let row = try await pool.run(
            """
            select current_setting('server_version_num')::int, current_setting('server_version'),
                pg_is_in_recovery(), array['fsync', 'full_page_writes', 'synchronous_commit'],
                array[current_setting('fsync'), current_setting('full_page_writes'),
                    current_setting('synchronous_commit')],
                (select coalesce(sum(numbackends), 0) from pg_stat_database)::int,
                current_setting('max_connections')::int
            """)[0]
        let (number, version, isStandby, names, values, used, maximum) = try row.decode(
            (Int, String, Bool, [String], [String], Int, Int).self)
        return Server(
            versionNumber: number, version: version, isStandby: isStandby,
            durability: Array(zip(names, values)), connections: used, maximumConnections: maximum)
    }

    /// The version of the control database's schema; nil when it says none.
    func controlVersion() async throws -> Int? {
        try await pool.run("select version from schema_version limit 1").first?.decode(Int.self)
    }

    /// The term that the control database knows, and the one that this daemon's sessions carry.
    func controlTerm() async throws -> (term: Int64, carried: Int64?) {
        try await pool.run(
            """
            select term, nullif(current_setting(\(LeadershipStore.setting), true), '')::bigint
            from leadership limit 1
            """)[0].decode((Int64, Int64?).self)
    }

    /// The term that the brands database knows.
    func brandsTerm() async throws -> Int64 {
        try await pool.run("select term from constintel.leadership limit 1")[0].decode(Int64.self)
    }
}
