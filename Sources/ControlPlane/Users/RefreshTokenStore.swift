import Contract
import Kernel
import Postgres

/// The table `refresh_token`: each login is a family of tokens, of which only the latest works.
struct RefreshTokenStore: Sendable {
    /// What became of a token that was presented.
    enum Use: Sendable {
        /// It was good, works no more, and its successor is in place.
        case rotated(UserID)
        /// It had been used before: it was stolen, or its successor was. The whole family has been ended.
        case reused(UserID)
        /// It is unknown or expired.
        case unknown
    }

    let pool: PostgresPool
    let clock: any WallClock

    static let lifetime = Duration.seconds(30 * 24 * 3600)

    /// Begins a family with its first token.
    func begin(_ user: UserID, hash: [UInt8]) async throws {
        let now = clock.now()
        try await insert(hash, family: UUIDv7(at: now), user: user, now, with: pool)
    }

    /// Uses a token once and puts `successor` in its place.
    func rotate(_ hash: [UInt8], to successor: [UInt8]) async throws -> Use {
        let now = clock.now()
        return try await pool.transaction { transaction in
            let used = try await transaction.run(
                """
                update refresh_token set used_at = \(now)
                where hash = \(hash) and used_at is null and expires_at > \(now) returning family, user_id
                """)
            if let (family, user) = try used.first?.decode((UUIDv7, UserID).self) {
                try await insert(successor, family: family, user: user, now, with: transaction)
                return .rotated(user)
            }
            let ended = try await transaction.run(
                """
                delete from refresh_token where family = (
                    select family from refresh_token where hash = \(hash) and used_at is not null)
                returning user_id
                """)
            return try ended.first.map { .reused(try $0.decode(0, as: UserID.self)) } ?? .unknown
        }
    }

    /// Ends the family of a token, and says whose it was; an unknown one is fine.
    func end(_ hash: [UInt8]) async throws -> UserID? {
        try await pool.run(
            """
            delete from refresh_token
            where family = (select family from refresh_token where hash = \(hash)) returning user_id
            """
        ).first?.decode(0, as: UserID.self)
    }

    /// Forgets tokens that have expired.
    func purge() async throws {
        try await pool.run("delete from refresh_token where expires_at <= \(clock.now())")
    }

    private func insert(
        _ hash: [UInt8], family: UUIDv7, user: UserID, _ now: Timestamp, with runner: some PostgresRunner
    ) async throws {
        try await runner.run(
            """
            insert into refresh_token (hash, family, user_id, created_at, expires_at)
            values (\(hash), \(family), \(user), \(now), \(now + RefreshTokenStore.lifetime))
            """)
    }
}
