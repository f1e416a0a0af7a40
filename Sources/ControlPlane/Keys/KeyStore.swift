import Contract
import Kernel
import Postgres
import Sealing

/// The table `api_key` of the control database.
struct KeyStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    /// Adds a key.
    func insert(
        _ key: KeySpecification, _ minted: APIKeyText.Minted, of brand: BrandID,
        in transaction: PostgresTransaction
    ) async throws -> KeyView {
        let now = clock.now()
        try await transaction.run(
            """
            insert into api_key
                (public_id, brand_id, name, environment, scopes, hash, created_at, expires_at)
            values (\(minted.publicId), \(brand), \(key.name), \(key.environment.rawValue),
                \(key.scopes.map(\.rawValue)), \(minted.hash), \(now), \(key.expiresAt))
            """)
        return KeyView(
            publicId: minted.publicId, name: key.name, environment: key.environment.rawValue,
            scopes: key.scopes.map(\.rawValue), createdAt: now, expiresAt: key.expiresAt, revokedAt: nil)
    }

    /// How many more keys the brand's plan allows. Locks the brand's instance until the transaction ends, so
    /// that two requests at once do not both take the last.
    func remaining(_ brand: BrandID, in transaction: PostgresTransaction) async throws -> Int {
        try await transaction.run("select 1 from instance where brand_id = \(brand) for update")
        let row = try await transaction.run(
            """
            select (limits->>'apiKeys')::int - (
                select count(*) from api_key where brand_id = brand.id and revoked_at is null
                    and (expires_at is null or expires_at > \(clock.now())))
            from brand join plan on plan.name = brand.plan where brand.id = \(brand)
            """
        ).first
        return try row?.decode(0, as: Int.self) ?? 0
    }

    /// A page of a brand's keys by public id.
    func list(of brand: BrandID, after cursor: String?, limit: Int) async throws -> [KeyView] {
        try await pool.run(
            """
            select public_id, name, environment, scopes, created_at, expires_at, revoked_at from api_key
            where brand_id = \(brand) and (\(cursor)::text is null or public_id > \(cursor))
            order by public_id limit \(limit)
            """
        ).map { row in
            let (publicId, name, environment, scopes, createdAt, expiresAt, revokedAt) = try row.decode(
                (String, String, String, [String], Timestamp, Timestamp?, Timestamp?).self)
            return KeyView(
                publicId: publicId, name: name, environment: environment, scopes: scopes,
                createdAt: createdAt, expiresAt: expiresAt, revokedAt: revokedAt)
        }
    }

    /// Whether the brand has this key, revoked or not; from the commit on it is revoked.
    func revoke(
        _ publicId: String, of brand: BrandID, in transaction: PostgresTransaction
    ) async throws -> Bool {
        try await transaction.run(
            """
            update api_key set revoked_at = coalesce(revoked_at, \(clock.now()))
            where public_id = \(publicId) and brand_id = \(brand)
            """
        ).affected == 1
    }
}
