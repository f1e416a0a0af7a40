import Contract
import Kernel
import Postgres
import Sealing

/// The table `instance`, and what is projected of a brand.
struct InstanceStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    /// Keeps the secrets of a new instance; those of an earlier attempt stay as they are.
    func insert(_ slug: Slug, postgres: SealedSecret, redis: SealedSecret) async throws {
        try await pool.run(
            """
            insert into instance (brand_id, intent, generation, revision, sealed_postgres_password,
                sealed_redis_password, updated_at)
            select id, 'stopped', 1, 1, \(postgres.text), \(redis.text), \(clock.now())
            from brand where slug = \(slug)
            on conflict (brand_id) do nothing
            """)
    }

    /// The instance of this brand.
    ///
    /// - Throws: `Fault.notFound` before its secrets were made.
    func instance(_ slug: Slug) async throws -> Instance {
        guard let row = try await pool.run(InstanceStore.columns + " where slug = \(slug)").first else {
            throw Fault(.notFound, doing: "read the instance of '\(slug)'", "the brand has none")
        }
        return try decode(row)
    }

    /// The instances of brands after `cursor` that have been provisioned and that no operation is changing,
    /// by slug: an operation has its brand to itself.
    func settled(after cursor: String, limit: Int) async throws -> [Instance] {
        let condition: SQL = """
             where brand.status <> 'provisioning' and slug > \(cursor)
                and not exists (
                    select 1 from operation where subject = slug
                        and state in ('pending', 'running', 'unwinding', 'stuck'))
            order by slug limit \(limit)
            """
        return try await pool.run(InstanceStore.columns + condition).map(decode)
    }

    /// Says whether the instance is meant to run.
    func intend(_ intent: Instance.Intent, _ slug: Slug) async throws {
        try await pool.run(
            """
            update instance set intent = \(intent.rawValue), updated_at = \(clock.now())
            from brand where brand.id = brand_id and slug = \(slug) and intent <> \(intent.rawValue)
            """)
    }

    /// Says which placement of the brand may write.
    func place(_ slug: Slug, generation: Int64) async throws {
        try await pool.run(
            """
            update instance set generation = \(generation), revision = revision + 1,
                updated_at = \(clock.now())
            from brand where brand.id = brand_id and slug = \(slug) and generation <> \(generation)
            """)
    }

    /// Forgets the instance and its secrets.
    func delete(_ slug: Slug) async throws {
        try await pool.run("delete from instance using brand where brand.id = brand_id and slug = \(slug)")
    }

    /// Within a change of something that is projected: makes the projection one to be written again.
    func raiseRevision(_ brand: BrandID, in transaction: PostgresTransaction) async throws {
        try await transaction.run(
            """
            update instance set revision = revision + 1, updated_at = \(clock.now())
            where brand_id = \(brand)
            """)
    }

    /// What the brand's schema must say, read at one moment; nil when the brand has no instance.
    func projection(_ slug: Slug) async throws -> Projection? {
        try await pool.transaction(.snapshot) { transaction in
            let brands = try await transaction.run(
                """
                select brand.id,
                    case status when 'provisioning' then initial_status else status end as status,
                    status_reason, limits, revision, \(SettingsStore.columns)
                from brand join instance on brand_id = brand.id join plan on plan.name = brand.plan
                where slug = \(slug)
                """)
            guard let row = brands.first else { return nil }
            let id: BrandID = try row.decode("id")
            let limits = try row.decode("limits", as: JSONB.self).decode(Plan.Limits.self)
            return Projection(
                brand: id, slug: slug, status: try row.decode("status"),
                statusReason: try row.decode("status_reason"),
                settings: try SettingsStore.settings(row).within(limits), limits: limits,
                revision: try row.decode("revision"), keys: try await keys(of: id, in: transaction))
        }
    }

    private func keys(of brand: BrandID, in transaction: PostgresTransaction) async throws -> [Projection.Key]
    {
        try await transaction.run(
            """
            select public_id, hash, environment, scopes, origins, events_per_second, requests_per_second,
                expires_at, revoked_at
            from api_key
            where brand_id = \(brand) order by revoked_at desc nulls first, public_id
            limit \(Projection.maximumKeys)
            """
        ).map {
            let (publicId, hash, environment, scopes, origins, events, requests, expiresAt, revokedAt) =
                try $0.decode(
                    (
                        String, [UInt8], String, [String], [String], Int?, Int?, Timestamp?, Timestamp?
                    ).self)
            return Projection.Key(
                publicId: publicId, hash: hash, environment: environment, scopes: scopes, origins: origins,
                eventsPerSecond: events, requestsPerSecond: requests, expiresAt: expiresAt,
                revokedAt: revokedAt)
        }
    }

    private static let columns: SQL = """
        select brand.id, slug, intent, status, release, generation, revision, limits,
            (settings->>'retentionDays')::int, sealed_postgres_password, sealed_redis_password
        from instance join brand on brand.id = brand_id join plan on plan.name = brand.plan
        """

    private func decode(_ row: PostgresRow) throws -> Instance {
        let (brand, slug, intent, status, release, generation, revision, limits, retention, postgres, redis) =
            try row.decode(
                (BrandID, Slug, String, String, String?, Int64, Int64, JSONB, Int?, String, String).self)
        guard let intent = Instance.Intent(rawValue: intent),
            let status = BrandView.Status(rawValue: status)
        else {
            throw Fault(.internal, doing: "read the instance of '\(slug)'", "its state is unknown here")
        }
        return Instance(
            brand: brand, slug: slug, intent: intent, status: status, release: release,
            generation: generation, revision: revision, limits: try limits.decode(Plan.Limits.self),
            retentionDays: retention, postgresPassword: SealedSecret(text: postgres),
            redisPassword: SealedSecret(text: redis))
    }
}
