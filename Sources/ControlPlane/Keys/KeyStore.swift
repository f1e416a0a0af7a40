import Contract
import Kernel
import Postgres
import Sealing

/// The table `api_key` of the control database.
struct KeyStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    /// What a brand's plan and settings allow its keys.
    struct Allowance {
        /// How many more there may be.
        let remaining: Int
        let eventsPerSecond: Int?
        /// Whether the brand names sites whose pages may use browser keys.
        let hasOrigins: Bool
    }

    /// A key that was found in some text and is one of ours.
    struct Found {
        let brand: BrandID
        let isRevoked: Bool
    }

    /// Adds a key, in the place of `replaced` where one is given.
    func insert(
        _ key: KeySpecification, _ minted: APIKeyText.Minted, of brand: BrandID, replacing replaced: String?,
        in transaction: PostgresTransaction
    ) async throws -> KeyView {
        let now = clock.now()
        try await transaction.run(
            """
            insert into api_key (public_id, brand_id, name, environment, scopes, origins, events_per_second,
                requests_per_second, replaces, hash, created_at, expires_at)
            values (\(minted.publicId), \(brand), \(key.name), \(key.environment.name),
                \(key.scopes.map(\.rawValue)), \(key.origins), \(key.eventsPerSecond)::bigint,
                \(key.requestsPerSecond)::bigint, \(replaced), \(minted.hash), \(now), \(key.expiresAt))
            """)
        var view = KeyView(
            publicId: minted.publicId, name: key.name, environment: key.environment.name, createdAt: now)
        view.scopes = key.scopes.map(\.rawValue)
        view.origins = key.origins.isEmpty ? nil : key.origins
        view.eventsPerSecond = key.eventsPerSecond
        view.requestsPerSecond = key.requestsPerSecond
        view.expiresAt = key.expiresAt
        view.replaces = replaced
        return view
    }

    /// The condition of keys that a plan counts: those that work, and of a key and the one that it was
    /// replaced by only the latter, so that a key can be rotated where no more may be made.
    static func counts(at instant: Timestamp) -> SQL {
        """
        \(works(at: instant))
            and not exists (select from api_key newer where newer.replaces = api_key.public_id)
        """
    }

    private static func works(at instant: Timestamp) -> SQL {
        "api_key.revoked_at is null and (api_key.expires_at is null or api_key.expires_at > \(instant))"
    }

    /// What the brand may have. Locks its instance until the transaction ends, so that two requests at once
    /// do not both take the last key.
    func allowance(_ brand: BrandID, in transaction: PostgresTransaction) async throws -> Allowance {
        try await transaction.run("select 1 from instance where brand_id = \(brand) for update")
        let row = try await transaction.run(
            """
            select (limits->>'apiKeys')::int - (
                    select count(*) from api_key where brand_id = brand.id
                        and \(KeyStore.counts(at: clock.now()))),
                (limits->>'eventsPerSecond')::bigint,
                coalesce(jsonb_array_length(nullif(settings->'origins', 'null')), 0) > 0
            from brand join plan on plan.name = brand.plan where brand.id = \(brand)
            """
        ).first
        let (remaining, eventsPerSecond, hasOrigins) =
            try row?.decode((Int, Int?, Bool).self) ?? (0, nil, false)
        return Allowance(
            remaining: remaining, eventsPerSecond: eventsPerSecond, hasOrigins: hasOrigins)
    }

    /// A page of a brand's keys by public id.
    func list(of brand: BrandID, after cursor: String?, limit: Int) async throws -> [KeyView] {
        let condition: SQL = """
             where api_key.brand_id = \(brand)
                and (\(cursor)::text is null or api_key.public_id > \(cursor))
            order by api_key.public_id limit \(limit)
            """
        return try await pool.run(KeyStore.columns + condition).map(KeyStore.view)
    }

    /// A key of the brand, which nobody else changes until the transaction ends; nil when it has none such.
    func key(
        _ publicId: String, of brand: BrandID, in transaction: PostgresTransaction
    ) async throws -> KeyView? {
        let condition: SQL = """
             where api_key.public_id = \(publicId) and api_key.brand_id = \(brand) for update of api_key
            """
        return try await transaction.run(KeyStore.columns + condition).first.map(KeyStore.view)
    }

    /// A key that still works of those that were replaced, one after the other, up to this one.
    func workingPredecessor(
        of publicId: String, in transaction: PostgresTransaction
    ) async throws -> String? {
        try await transaction.run(
            """
            with recursive line (public_id) as (
                select replaces from api_key where public_id = \(publicId)
                union all
                select replaces from api_key join line using (public_id)
            )
            select public_id from api_key join line using (public_id)
            where \(KeyStore.works(at: clock.now())) limit 1
            """
        ).first?.decode(0, as: String.self)
    }

    /// Lets a key work until `instant`, unless it ends before.
    func end(_ publicId: String, at instant: Timestamp, in transaction: PostgresTransaction) async throws {
        try await transaction.run(
            """
            update api_key set expires_at = least(expires_at, \(instant)) where public_id = \(publicId)
            """)
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

    /// Those of the keys that are known, by public id: only who has all of a key has its hash.
    func find(_ keys: [APIKeyText], on database: some PostgresRunner) async throws -> [String: Found] {
        let rows = try await database.run(
            """
            select public_id, brand_id, revoked_at is not null from api_key
            join unnest(\(keys.map(\.publicId)), \(keys.map(\.hash))) as found (public_id, hash)
                using (public_id, hash)
            """)
        return try Dictionary(
            uniqueKeysWithValues: rows.decode((String, BrandID, Bool).self).map {
                ($0, Found(brand: $1, isRevoked: $2))
            })
    }
}

extension KeyStore {
    private static let columns: SQL = """
        select api_key.public_id, api_key.name, api_key.environment, api_key.scopes, api_key.origins,
            api_key.events_per_second, api_key.requests_per_second, api_key.created_at, api_key.expires_at,
            api_key.revoked_at, api_key.replaces,
            (select newer.public_id from api_key newer where newer.replaces = api_key.public_id)
        from api_key
        """

    private static func view(_ row: PostgresRow) throws -> KeyView {
        let (
            publicId, name, environment, scopes, origins, events, requests, createdAt, expiresAt, revokedAt,
            replaces, replacedBy
        ) = try row.decode(
            (
                String, String, String, [String], [String], Int?, Int?, Timestamp, Timestamp?, Timestamp?,
                String?, String?
            ).self)
        var view = KeyView(
            publicId: publicId, name: name, environment: environment, createdAt: createdAt)
        view.scopes = scopes
        view.origins = origins.isEmpty ? nil : origins
        view.eventsPerSecond = events
        view.requestsPerSecond = requests
        view.expiresAt = expiresAt
        view.revokedAt = revokedAt
        view.replaces = replaces
        view.replacedBy = replacedBy
        return view
    }
}
