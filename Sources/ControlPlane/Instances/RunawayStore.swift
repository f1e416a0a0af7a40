import Kernel
import Postgres

/// The sessions of brands' roles, as PostgreSQL shows them.
struct RunawayStore: Sendable {
    /// The database with the brands' schemas.
    let pool: PostgresPool

    /// What a brand's sessions may take of what all brands share.
    struct Bounds: Sendable {
        /// How long a transaction may last, its statements and its idle times together.
        var transaction = Duration.seconds(120)
        /// How many of a brand's may last longer: a re-fold reads in one and writes in another.
        var long = 2
        /// How long those may last.
        var longest = Duration.seconds(2 * 3600)
        /// Locks of a session at one moment; the room for them is one for all sessions.
        var locks = 5000
    }

    /// What a session was ended for.
    enum Excess: String, CaseIterable, Sendable {
        /// It was one transaction too many that lasted long, or one that lasted too long even for those.
        case duration
        case locks
    }

    /// A session that was ended.
    struct Ended: Sendable {
        let role: String
        let excess: Excess
        let seconds: Int
    }

    /// Ends every session of a brand's role that is beyond `bounds`, and gives those. Of transactions that
    /// last long, the oldest stay.
    ///
    /// Ages are by the server's clock, whose the beginnings are. A session without a transaction is none's
    /// neighbour.
    func end(beyond bounds: Bounds) async throws -> [Ended] {
        let rows = try await pool.run(
            """
            with held as (select pid, count(*) as locks from pg_locks group by pid),
            session as (
                select activity.pid, usename::text as role, coalesce(locks, 0) as locks,
                    extract(epoch from clock_timestamp() - xact_start)::double precision as seconds,
                    row_number() over (partition by usesysid order by xact_start, activity.pid) as place
                from pg_stat_activity as activity left join held on held.pid = activity.pid
                where datname = current_database() and backend_type = 'client backend'
                    and starts_with(usename::text, 'brand_') and xact_start is not null
            ),
            judged as (
                select pid, role, seconds,
                    case when locks > \(Int64(bounds.locks)) then \(Excess.locks.rawValue)
                        when seconds > \(bounds.longest.inSeconds)
                            or place > \(Int64(bounds.long)) and seconds > \(bounds.transaction.inSeconds)
                        then \(Excess.duration.rawValue) end as excess
                from session
            ),
            -- Apart from what ends them: the server may take conditions of one place in any order.
            beyond as materialized (select * from judged where excess is not null)
            select role, excess, seconds::bigint, pg_terminate_backend(pid) from beyond
            order by role, seconds desc
            """)
        return try rows.compactMap { row in
            let (role, name, seconds, isEnded) = try row.decode((String, String, Int64, Bool).self)
            guard isEnded, let excess = Excess(rawValue: name) else { return nil }
            return Ended(role: role, excess: excess, seconds: Int(seconds))
        }
    }
}
