import Contract
import Kernel
import Postgres

/// The table `brand`.
struct BrandStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    /// Reserves the slug: from the commit on no other brand can have it.
    ///
    /// - Throws: `Fault.conflict` when a brand has or had the slug, `Fault.invalid` when there is no such
    ///   plan.
    func insert(_ brand: BrandSpecification, id: BrandID, in transaction: PostgresTransaction) async throws {
        let now = clock.now()
        do {
            try await refuseRetired(brand.slug, in: transaction)
            try await transaction.run(
                """
                insert into brand (id, slug, name, domain, industry, industry_since, country, time_zone,
                    currency, plan, status, created_at, updated_at)
                values (\(id), \(brand.slug), \(brand.name), \(brand.domain), \(brand.industry), \(now),
                    \(brand.country), \(brand.timeZone), \(brand.currency.code), \(brand.plan),
                    'provisioning', \(now), \(now))
                """)
        } catch let error as PostgresError where error.constraint == "brand_slug_key" {
            throw BrandStore.taken(brand.slug, cause: error)
        } catch let error as PostgresError where error.constraint == "brand_plan_fkey" {
            throw BrandStore.noPlan(brand.plan, cause: error)
        }
    }

    /// Reserves the slug for a copy of `source`: with its plan and its settings, but for the domain, which is
    /// the other's.
    ///
    /// - Throws: what `insert` would throw; `Fault.notFound` when there is no `source`.
    func insert(
        _ copy: BrandCopy, of source: Slug, id: BrandID, in transaction: PostgresTransaction
    ) async throws {
        let now = clock.now()
        do {
            try await refuseRetired(copy.slug, in: transaction)
            let inserted = try await transaction.run(
                """
                insert into brand (id, slug, name, industry, industry_since, country, time_zone, currency,
                    settings, plan, status, created_at, updated_at)
                select \(id)::uuid, \(copy.slug), \(copy.name), industry, \(now)::timestamptz,
                    country, time_zone, currency, settings, plan, 'provisioning',
                    \(now)::timestamptz, \(now)::timestamptz
                from brand where slug = \(source)
                """)
            guard inserted.affected == 1 else {
                throw Fault(.notFound, doing: BrandCopy.doing, "there is no brand '\(source)'")
            }
        } catch let error as PostgresError where error.constraint == "brand_slug_key" {
            throw BrandStore.taken(copy.slug, cause: error)
        }
    }

    /// - Throws: what `insert` would throw.
    func requireFree(_ slug: Slug, plan: String) async throws {
        try await pool.transaction { transaction in
            try await refuseRetired(slug, in: transaction)
            guard try await transaction.run("select from brand where slug = \(slug)").isEmpty else {
                throw BrandStore.taken(slug)
            }
            guard try await !transaction.run("select from plan where name = \(plan)").isEmpty else {
                throw BrandStore.noPlan(plan)
            }
        }
    }

    /// A slug is never used again, also when all of the brand's data is gone.
    private func refuseRetired(_ slug: Slug, in transaction: PostgresTransaction) async throws {
        guard try await transaction.run("select from retired_slug where slug = \(slug)").isEmpty else {
            throw Fault(
                .conflict, doing: BrandSpecification.doing,
                "a brand that is gone had the slug '\(slug)', and no slug is used twice", field: "slug")
        }
    }

    private static func taken(_ slug: Slug, cause: (any Error)? = nil) -> Fault {
        Fault(
            .conflict, doing: BrandSpecification.doing, "a brand has the slug '\(slug)' already",
            field: "slug", cause: cause)
    }

    private static func noPlan(_ plan: String, cause: (any Error)? = nil) -> Fault {
        Fault(
            .invalid, doing: BrandSpecification.doing, "there is no plan '\(plan)'", field: "plan",
            cause: cause)
    }

    /// The brand of this slug, or nil.
    func brand(_ slug: Slug) async throws -> Brand? {
        try await pool.run(BrandStore.columns + " where brand.slug = \(slug)").first.map(decode)
    }

    /// Brands by slug, those after `cursor`; only `slug` when it is given.
    func list(only slug: String?, after cursor: String?, limit: Int) async throws -> [Brand] {
        let condition: SQL = """
             where (\(slug)::text is null or brand.slug = \(slug))
                and (\(cursor)::text is null or brand.slug > \(cursor))
            order by brand.slug limit \(limit)
            """
        return try await pool.run(BrandStore.columns + condition).map(decode)
    }

    /// Removes a brand that never lived; one that has lived stays, with its slug.
    func forget(_ slug: Slug) async throws {
        try await pool.run("delete from brand where slug = \(slug) and status = 'provisioning'")
    }

    /// Makes a provisioned brand what its plan says, `trial` or `active`; a trial begins now.
    func activate(_ slug: Slug) async throws {
        try await pool.run(
            """
            update brand set status = plan.initial_status, instance_id = \(slug.unitName),
                trial_ends_at = case initial_status when 'trial' then
                    \(clock.now())::timestamptz + make_interval(days => trial_days) end,
                updated_at = \(clock.now())
            from plan where plan.name = brand.plan and slug = \(slug) and status = 'provisioning'
            """)
    }

    /// Takes `activate` back.
    func deactivate(_ slug: Slug) async throws {
        try await pool.run(
            """
            update brand set status = 'provisioning', instance_id = null, updated_at = \(clock.now())
            where slug = \(slug) and status in ('trial', 'active')
            """)
    }

    /// Says why the reconciler leaves the brand's instance alone; nil ends that.
    ///
    /// - Throws: `Fault.conflict` when the brand has no instance.
    func pause(_ slug: Slug, reason: String?, in transaction: PostgresTransaction) async throws {
        let changed = try await transaction.run(
            """
            update instance set paused_reason = \(reason), updated_at = \(clock.now())
            from brand where brand.id = brand_id and slug = \(slug) and status <> 'provisioning'
            """)
        guard changed.affected == 1 else {
            throw Fault(
                .conflict, doing: "pause the instance", "the brand is still being provisioned")
        }
    }

    /// How many brands each release is meant to serve.
    func releases() async throws -> [String: Int] {
        let rows = try await pool.run(
            "select coalesce(release, 'current'), count(*)::int from instance group by 1 limit 1000"
        ).decode((String, Int).self)
        return Dictionary(uniqueKeysWithValues: rows)
    }

    private static let columns: SQL = """
        select brand.id, slug, name, domain, industry, country, time_zone, currency, plan, status,
            status_reason, trial_ends_at, purge_after, onboarding_completed, brand.created_at,
            brand.updated_at, coalesce(generation, 0) as generation, intent, release, previous_release,
            paused_reason, failures, observation.error, quarantined_until
        from brand left join instance on instance.brand_id = brand.id
            left join observation on observation.brand_id = brand.id
        """

    private func decode(_ row: PostgresRow) throws -> Brand {
        let slug = try row.decode("slug", as: Slug.self)
        let text = try row.decode("status", as: String.self)
        guard let status = BrandView.Status(rawValue: text) else {
            throw Fault(.internal, doing: "read brand '\(slug)'", "its status '\(text)' is unknown here")
        }
        return Brand(
            id: try row.decode("id"), slug: slug, name: try row.decode("name"),
            domain: try row.decode("domain"), industry: try row.decode("industry"),
            country: try row.decode("country"), timeZone: try row.decode("time_zone"),
            currency: try row.decode("currency"), plan: try row.decode("plan"), status: status,
            statusReason: try row.decode("status_reason"),
            trialEndsAt: try row.decode("trial_ends_at"), purgeAfter: try row.decode("purge_after"),
            onboardingCompleted: try row.decode("onboarding_completed"),
            createdAt: try row.decode("created_at"), updatedAt: try row.decode("updated_at"),
            instance: try instance(row))
    }

    private func instance(_ row: PostgresRow) throws -> BrandView.Instance {
        var quarantine: BrandView.Quarantine?
        if let until = try row.decode("quarantined_until", as: Timestamp?.self), until > clock.now() {
            quarantine = BrandView.Quarantine(
                failures: try row.decode("failures"), reason: try row.decode("error", as: String?.self) ?? "",
                until: until)
        }
        return BrandView.Instance(
            intent: try row.decode("intent"), state: "unknown", generation: try row.decode("generation"),
            release: try row.decode("release"), previousRelease: try row.decode("previous_release"),
            pausedReason: try row.decode("paused_reason"), quarantine: quarantine)
    }
}
