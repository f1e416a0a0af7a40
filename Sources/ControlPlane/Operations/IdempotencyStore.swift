import Foundation
import Kernel
import Postgres

/// A client's promise that requests under one `Idempotency-Key` are one request.
struct IdempotencyKey: Sendable {
    /// Who asks: keys of different principals are different keys.
    let principal: String
    let text: String
    /// SHA-256 of method, path and canonical body.
    let requestHash: [UInt8]
}

/// An answer, and whether it is that of an earlier request.
struct Once<Answer: Sendable>: Sendable {
    let answer: Answer
    let isReplay: Bool
}

/// The answers to requests with an `Idempotency-Key`, kept for 24 hours less any secret.
struct IdempotencyStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    static let lifetime = Duration.seconds(24 * 3600)

    /// Runs `work` in a transaction, once for each key: a repeated request gets the answer of the first.
    ///
    /// The key is claimed by the same transaction, so that a crash leaves both or neither, and of two
    /// requests at once the second waits for the first. What is kept is `remembered`, without what is shown
    /// only once.
    ///
    /// - Throws: `Fault.conflict` when the key was used for another request.
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
        let claimed = try await transaction.run(
            """
            insert into idempotency_key (principal, key, request_hash, answer, created_at)
            values (\(key.principal), \(key.text), \(key.requestHash), 'null', \(now))
            on conflict (principal, key) do update
                set request_hash = excluded.request_hash, answer = excluded.answer,
                    created_at = excluded.created_at
                where idempotency_key.created_at < \(now - IdempotencyStore.lifetime)
            returning key
            """)
        guard claimed.isEmpty else { return nil }
        let found = try await transaction.run(
            """
            select request_hash, answer from idempotency_key
            where principal = \(key.principal) and key = \(key.text)
            """)
        guard let (hash, answer) = try found.first?.decode(([UInt8], JSONB).self) else { return nil }
        guard hash == key.requestHash else {
            throw Fault(
                .conflict, doing: doing, "this Idempotency-Key was used for another request",
                field: "Idempotency-Key")
        }
        return answer
    }
}
