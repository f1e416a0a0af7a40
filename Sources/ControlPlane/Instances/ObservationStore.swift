import Contract
import Kernel
import Postgres

/// The table `observation`, what is meant beside it, and what brands' schemas say of themselves.
struct ObservationStore: Sendable {
    /// The control database.
    let pool: PostgresPool
    /// The database with the brands' schemas.
    let brands: PostgresPool
    let clock: any WallClock

    /// Brands by slug, those after `cursor`, that were provisioned and that no operation is changing: an
    /// operation has its brand to itself.
    func outlooks(after cursor: String, limit: Int) async throws -> [Outlook] {
        let condition: SQL = " and slug > \(cursor) order by slug limit \(limit)"
        return try await pool.run(ObservationStore.outlook + condition).map(decode)
    }

    /// This brand; nil when there is none, it was not provisioned yet or an operation is changing it.
    func outlook(_ slug: Slug) async throws -> Outlook? {
        try await pool.run(ObservationStore.outlook + " and slug = \(slug)").first.map(decode)
    }

    /// Those of `slugs` whose brand was purged. No brand gets such a name again.
    func purged(among slugs: [Slug]) async throws -> [Slug] {
        try await pool.run("select slug from retired_slug where slug = any(\(slugs.map(\.text)))")
            .map { try $0.decode(0, as: Slug.self) }
    }

    /// What was last seen of the brand; nil when nothing was.
    func observation(of slug: Slug) async throws -> Observation? {
        try await observations(of: [slug])[slug]
    }

    /// What was last seen of each of these brands; nothing of those of which nothing was.
    func observations(of slugs: [Slug]) async throws -> [Slug: Observation] {
        let rows = try await pool.run(
            """
            select slug, \(ObservationStore.observed) from observation
            join brand on brand.id = observation.brand_id where slug = any(\(slugs.map(\.text)))
            """)
        return try Dictionary(
            uniqueKeysWithValues: rows.map { row in
                let (slug, state, pid, restarts, revision, failures, error, until) = try row.decode(
                    (Slug, String, Int32?, Int, Int64, Int, String?, Timestamp?).self)
                return (
                    slug,
                    Observation(
                        state: state, pid: pid, restarts: restarts, projectedRevision: revision,
                        failures: failures, error: error, quarantinedUntil: until)
                )
            })
    }

    /// Notes what is seen now; nothing for a brand that is gone.
    func note(_ seen: Observation, of brand: BrandID) async throws {
        try await pool.run(
            """
            insert into observation (brand_id, state, pid, restarts, projected_revision, failures, error,
                quarantined_until, observed_at)
            select id, \(seen.state), \(seen.pid)::int, \(seen.restarts)::int,
                \(seen.projectedRevision)::bigint, \(seen.failures)::int, \(seen.error)::text,
                \(seen.quarantinedUntil)::timestamptz, \(clock.now())::timestamptz
            from brand where id = \(brand)
            on conflict (brand_id) do update set state = excluded.state, pid = excluded.pid,
                restarts = excluded.restarts, projected_revision = excluded.projected_revision,
                failures = excluded.failures, error = excluded.error,
                quarantined_until = excluded.quarantined_until, observed_at = excluded.observed_at
            """)
    }

    /// What the brands database has of the brand, compared with `projection`; nil when its schema says
    /// nothing of the brand.
    func projected(_ projection: Projection) async throws -> Projected? {
        let slug = projection.slug
        let settings = try JSONB(encoding: projection.settings)
        let limits = try JSONB(encoding: projection.limits)
        let there: SQL = """
            select public_id, hash, environment, scopes, origins, events_per_second, requests_per_second,
                expires_at, revoked_at
            from \(identifier: slug.schemaName).api_key
            """
        let rows = try await brands.run(
            """
            with meant as (\(TenantStore.rows(of: projection.keys)))
            select revision,
                (brand_id, slug, status, settings, limits, token_keys) = (
                    \(projection.brand)::uuid, \(slug)::text,
                    \(projection.status)::text, \(settings)::jsonb, \(limits)::jsonb,
                    \(projection.tokenKeys)::text[])
                    and status_reason is not distinct from \(projection.statusReason)::text
                    and not exists ((table meant except \(there)) union all (\(there) except table meant)),
                (select rolconnlimit from pg_roles where rolname = \(slug.runtimeRole))
            from \(identifier: slug.schemaName).brand_state
            """)
        return try rows.first.map { row in
            let (revision, isAsMeant, connections) = try row.decode((Int64, Bool, Int32?).self)
            return Projected(
                revision: revision, isAsMeant: isAsMeant, connections: connections.map(Int.init))
        }
    }

    /// What a brand's schema and its runtime role say.
    struct Projected: Sendable {
        let revision: Int64
        /// Whether all else that is projected is there, and nothing else.
        let isAsMeant: Bool
        /// How many connections the role may have; nil when there is no such role.
        let connections: Int?
    }

    /// Makes the revision that is meant later than `revision`, so that it is written over what has that.
    func raiseRevision(_ brand: BrandID, above revision: Int64) async throws {
        try await pool.run(
            """
            update instance set revision = \(revision) + 1, updated_at = \(clock.now())
            where brand_id = \(brand) and revision <= \(revision)
            """)
    }

    private static let observed: SQL = """
        observation.state, pid, restarts, projected_revision, failures, observation.error, quarantined_until
        """

    /// The fingerprint is of all that is meant, by whatever columns it may come to have, but for the
    /// revision, which is compared by itself.
    private static let outlook: SQL = """
        select brand.id, slug, status, intent, revision, paused_reason,
            hashtextextended(
                row(to_jsonb(instance) - 'revision' - 'updated_at', status, limits)::text, 0),
            observation.brand_id is not null,
            coalesce(observation.state, ''), pid, coalesce(restarts, 0), coalesce(projected_revision, 0),
            coalesce(failures, 0), observation.error, quarantined_until
        from instance join brand on brand.id = instance.brand_id join plan on plan.name = brand.plan
            left join observation on observation.brand_id = brand.id
        where status <> 'provisioning' and not exists (
            select 1 from operation where subject = slug
                and operation.state in ('pending', 'running', 'unwinding', 'stuck'))
        """

    private func decode(_ row: PostgresRow) throws -> Outlook {
        let (
            brand, slug, status, intent, revision, pausedReason, fingerprint, isSeen, state, pid, restarts,
            projectedRevision, failures, error, until
        ) = try row.decode(
            (
                BrandID, Slug, String, String, Int64, String?, Int64, Bool, String, Int32?, Int, Int64, Int,
                String?, Timestamp?
            ).self)
        let seen = Observation(
            state: state, pid: pid, restarts: restarts, projectedRevision: projectedRevision,
            failures: failures, error: error, quarantinedUntil: until)
        return Outlook(
            brand: brand, slug: slug, status: status,
            intent: Instance.Intent(rawValue: intent) ?? .stopped, revision: revision,
            pausedReason: pausedReason, fingerprint: fingerprint, observation: isSeen ? seen : nil)
    }
}
