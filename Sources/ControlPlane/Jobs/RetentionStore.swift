import Kernel
import Postgres
import Workflow

/// A brand's months of raw events, by the functions of its schema; only its owner role may replace a table.
extension TenantStore {
    /// A month of receipt.
    struct Month: Sendable {
        let starts: Timestamp
        let ends: Timestamp
        /// Its partition; nil when its events are in the default one.
        let partition: String?

        /// Where its events are, for people.
        var table: String { partition ?? "customer_raw_event_default (\(starts.description.prefix(7)))" }
    }

    /// A checkpoint that is ready to take its month's place.
    struct Checkpoint: Sendable {
        /// Of how many events it was made.
        let events: Int64
        /// How many rows it has.
        let rows: Int64
    }

    /// Whether it is others that keep a statement from being done.
    static func isBusy(_ error: PostgresError) -> Bool { ["55P03", "40P01"].contains(error.sqlState) }

    /// The months that ended by `cutoff` and are not folded yet, the oldest first.
    func monthsToFold(_ slug: Slug, receivedBefore cutoff: Timestamp) async throws -> [Month] {
        try await changing { transaction in
            try await beOwner(slug, in: transaction)
            return try await transaction.run(
                "select starts, ends, name from months_to_fold(\(cutoff)) limit 1200"
            ).decode((Timestamp, Timestamp, String?).self)
                .map { Month(starts: $0, ends: $1, partition: $2) }
        }
    }

    /// How many rows a month has, and what its partition takes, as people write it.
    func size(of month: Month, _ slug: Slug) async throws -> (rows: Int64, size: String) {
        try await changing { transaction in
            try await beOwner(slug, in: transaction)
            return try await transaction.run(
                """
                select count(*), coalesce(
                    pg_size_pretty(pg_total_relation_size(to_regclass(\(month.partition)))), 'size unknown')
                from customer_raw_event where created_at >= \(month.starts) and created_at < \(month.ends)
                """)[0].decode((Int64, String).self)
        }
    }

    /// Prepares a month's checkpoint, which may take long; the brand goes on meanwhile.
    func makeCheckpoint(of month: Month, _ slug: Slug) async throws -> Checkpoint {
        try await pool.transaction { transaction in
            try await beOwner(slug, in: transaction)
            let events = try await transaction.run("select make_checkpoint(\(month.starts), \(month.ends))")
            let rows = try await transaction.run("select count(*) from customer_raw_event_checkpoint_next")
            try await requireTermLast(in: transaction)
            return Checkpoint(events: try events[0].decode(Int64.self), rows: try rows[0].decode(Int64.self))
        }
    }

    /// Puts a checkpoint in its month's place; false when an event of the month has been committed meanwhile.
    ///
    /// The brand's writer waits until it has ended. Where others hold what is needed, such as a re-fold the
    /// writer lease or a long query the table, it fails soon instead of keeping everybody behind them.
    func adopt(_ made: Checkpoint, of month: Month, _ slug: Slug) async throws -> Bool {
        try await changing { transaction in
            try await beOwner(slug, in: transaction)
            try await transaction.run(all: [
                "set local lock_timeout = '10s'", "set local statement_timeout = '60s'",
            ])
            return try await transaction.run(
                "select adopt_checkpoint(\(month.starts), \(month.ends), \(made.events))"
            )[0].decode(Bool.self)
        }
    }

    /// Takes away what names events that are gone.
    func sweepBehindCheckpoint(_ slug: Slug) async throws {
        try await pool.transaction { transaction in
            try await beOwner(slug, in: transaction)
            try await transaction.run("select sweep_behind_checkpoint()")
            try await requireTermLast(in: transaction)
        }
    }

    /// A new leader waits for transactions that have been found to be the present one's, so a long one is
    /// asked last.
    private func requireTermLast(in transaction: PostgresTransaction) async throws {
        try await transaction.run("reset role")
        try await LeadershipStore.requireTerm(in: transaction)
    }
}
