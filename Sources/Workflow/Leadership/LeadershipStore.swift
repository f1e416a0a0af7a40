import Kernel
import Postgres

/// Which daemon leads, in the two databases that it writes to.
///
/// Who leads holds an advisory lock in the control database and knows the present term. Its sessions carry
/// the term as `constintel.term`: the control schema's triggers and the brands database's `require_term`
/// refuse those that carry another (SQLSTATE CI001), and hold a share lock on the term to their
/// transaction's end.
package enum LeadershipStore {
    /// The setting that a leader's sessions carry.
    package static let setting = "constintel.term"

    /// Puts the term's table and its check into the brands database, of term 0. Idempotent; one at a time.
    ///
    /// Nobody but the owner and its members may use them: a brand's role neither sees who leads nor can hold
    /// a lock that a new leader would wait for.
    package static func prepare(brands connection: PostgresConnection) async throws {
        try await connection.runScript(
            """
            create schema if not exists constintel;
            revoke all on schema constintel from public;
            create table if not exists constintel.leadership (
                id smallint primary key default 1 check (id = 1),
                term bigint not null,
                holder text not null,
                since timestamptz not null
            );
            revoke all on constintel.leadership from public;
            insert into constintel.leadership (term, holder, since) values (0, 'nobody', now())
                on conflict do nothing;
            create or replace function constintel.require_term() returns void
            language plpgsql set search_path = pg_catalog as $$
            begin
                perform from constintel.leadership
                where term = nullif(current_setting('constintel.term', true), '')::bigint for share;
                if not found then
                    raise exception 'this daemon does not lead' using errcode = 'CI001';
                end if;
            end $$;
            revoke all on function constintel.require_term() from public;
            """)
    }

    /// At the beginning of whatever changes the brands database.
    ///
    /// - Throws: CI001 when the session's term is over.
    package static func requireTerm(in transaction: PostgresTransaction) async throws {
        try await transaction.run("select constintel.require_term()")
    }

    /// Waits until no other transaction of the brands database has this turn; it lasts to the end of the
    /// transaction.
    ///
    /// It is a lock on a table that brands cannot name. An advisory lock would be anybody's: a brand that
    /// took it would keep all others from being made.
    package static func takeTurn(in transaction: PostgresTransaction) async throws {
        try await transaction.run("lock table constintel.leadership in share update exclusive mode")
    }

    /// Takes the lock of the control database for this connection, unless somebody has it.
    static func tryLock(_ control: PostgresConnection) async throws -> Bool {
        try await control.run("select pg_try_advisory_lock(hashtextextended('constintel leadership', 0))")[0]
            .decode(Bool.self)
    }

    /// Who leads, or did last, as the control database knows it.
    static func present(_ control: PostgresConnection) async throws -> (term: Int64, holder: String) {
        try await control.run("select term, holder from leadership limit 1")[0].decode((Int64, String).self)
    }

    /// The term that the brands database knows.
    static func term(brands connection: PostgresConnection) async throws -> Int64 {
        try await connection.run("select term from constintel.leadership limit 1")[0].decode(Int64.self)
    }

    /// Begins a new term, later than the present one and than `other`. It waits for the transactions of the
    /// one before it.
    static func raise(
        _ control: PostgresConnection, above other: Int64, holder: String, at now: Timestamp
    ) async throws -> Int64 {
        try await control.run(
            """
            update leadership set term = greatest(term, \(other)) + 1, holder = \(holder), since = \(now)
            returning term
            """)[0].decode(Int64.self)
    }

    /// Tells the brands database of a term; false when it knows a later one.
    static func write(
        _ term: Int64, brands connection: PostgresConnection, holder: String, at now: Timestamp
    ) async throws -> Bool {
        try await connection.run(
            """
            update constintel.leadership set term = \(term), holder = \(holder), since = \(now)
            where term < \(term)
            """
        ).affected == 1
    }
}
