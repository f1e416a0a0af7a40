import Foundation
import Kernel
import Postgres
import Sealing

/// A client's promise that requests under one `Idempotency-Key` are one request.
struct IdempotencyKey: Sendable {
    /// Who asks: keys of different principals are different keys.
    let principal: String
    let text: String
    /// SHA-256 of method, path, query and canonical body.
    let requestHash: [UInt8]
}

/// An answer, and whether it is that of an earlier request.
struct Once<Answer: Sendable>: Sendable {
    let answer: Answer
    let isReplay: Bool
}

/// The answers to requests with an `Idempotency-Key`, kept for 24 hours less any secret.
///
/// Only what was done is remembered: a request that was refused or failed has changed nothing, and may be
/// sent again under its key, corrected too. A plan changes nothing either, so it is never remembered; it is
/// refused all the same under a key that stands for something else.
struct IdempotencyStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock
    /// Makes of a request's hash what is stored.
    let hashKey: [UInt8]
    /// How long a request waits for another under the same key, in whole milliseconds.
    var patience = Duration.seconds(5)

    static let lifetime = Duration.seconds(24 * 3600)

    /// Runs `work` in a transaction, once for each key: a repeated request gets the answer of the first.
    ///
    /// The key is claimed by the same transaction, so that a crash leaves both or neither, and of two
    /// requests at once the second waits for the first. What is kept is `remembered`, without what is shown
    /// only once.
    ///
    /// - Throws: `Fault.conflict` when the key was used for another request, or the first one takes longer
    ///   than `patience`.
    func once<Answer: Codable & Sendable>(
        _ key: IdempotencyKey?, doing: String,
        remembered: @Sendable (Answer) -> Answer = { $0 },
        _ work: (PostgresTransaction) async throws -> Answer
    ) async throws -> Once<Answer> {
        try await pool.transaction { transaction in
            guard let key else { return Once(answer: try await work(transaction), isReplay: false) }
            if let earlier = try await claim(key, doing: doing, in: transaction) {
                return Once(answer: try earlier.decode(Answer.self), isReplay: true)
            }
            let answer = try await work(transaction)
            try await transaction.run(
                """
                update idempotency_key set answer = \(JSONB(encoding: remembered(answer)))
                where principal = \(key.principal) and key = \(key.text)
                """)
            return Once(answer: answer, isReplay: false)
        }
    }

    /// - Throws: `Fault.conflict` when the key was used for another request than this one.
    func requireUnused(_ key: IdempotencyKey?, doing: String) async throws {
        guard let key else { return }
        let found = try await pool.run(
            """
            select request_hash from idempotency_key where principal = \(key.principal)
                and key = \(key.text) and created_at >= \(clock.now() - IdempotencyStore.lifetime)
            """)
        if !found.isEmpty { throw usedOtherwise(doing) }
    }

    /// Forgets answers that are older than their lifetime.
    func purge() async throws {
        try await pool.run(
            "delete from idempotency_key where created_at < \(clock.now() - IdempotencyStore.lifetime)")
    }

    /// The earlier answer, or nil when the key is this transaction's from now on.
    private func claim(
        _ key: IdempotencyKey, doing: String, in transaction: PostgresTransaction
    ) async throws -> JSONB? {
        let now = clock.now()
        let hash = HMACSHA256.code(for: key.requestHash, key: hashKey)
        let claimed: PostgresRows
        do {
            let milliseconds = Int(patience / .milliseconds(1))
            claimed = try await transaction.run(all: [
                "set local lock_timeout = \(raw: "\(milliseconds)")",
                """
                insert into idempotency_key (principal, key, request_hash, answer, created_at)
                values (\(key.principal), \(key.text), \(hash), 'null', \(now))
                on conflict (principal, key) do update
                    set request_hash = excluded.request_hash, answer = excluded.answer,
                        created_at = excluded.created_at
                    where idempotency_key.created_at < \(now - IdempotencyStore.lifetime)
                returning key
                """,
                "set local lock_timeout to default",
            ])[1]
        } catch let error as PostgresError where error.sqlState == "55P03" {
            throw Fault(
                .conflict, doing: doing, "a request under this Idempotency-Key is still being worked on",
                field: "Idempotency-Key", retryAfter: .seconds(1), cause: error)
        }
        guard claimed.isEmpty else { return nil }
        let found = try await transaction.run(
            """
            select request_hash, answer from idempotency_key
            where principal = \(key.principal) and key = \(key.text)
            """)
        guard let (known, answer) = try found.first?.decode(([UInt8], JSONB).self) else { return nil }
        guard known == hash else { throw usedOtherwise(doing) }
        return answer
    }

    private func usedOtherwise(_ doing: String) -> Fault {
        Fault(
            .conflict, doing: doing, "this Idempotency-Key was used for another request",
            field: "Idempotency-Key")
    }
}
