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
            try await transaction.run(
                """
                insert into brand (id, slug, name, domain, industry, country, time_zone, currency, plan,
                    status, created_at, updated_at)
                values (\(id), \(brand.slug), \(brand.name), \(brand.domain), \(brand.industry),
                    \(brand.country), \(brand.timeZone), \(brand.currency.code), \(brand.plan),
                    'provisioning', \(now), \(now))
                """)
        } catch let error as PostgresError where error.constraint == "brand_slug_key" {
            throw Fault(
                .conflict, doing: BrandSpecification.doing, "a brand has the slug '\(brand.slug)' already",
                field: "slug", cause: error)
        } catch let error as PostgresError where error.constraint == "brand_plan_fkey" {
            throw Fault(
                .invalid, doing: BrandSpecification.doing, "there is no plan '\(brand.plan)'", field: "plan",
                cause: error)
        }
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

    /// Makes a provisioned brand what its plan says, `trial` or `active`.
    func activate(_ slug: Slug) async throws {
        try await pool.run(
            """
            update brand set status = plan.initial_status, instance_id = \(slug.unitName),
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

    private static let columns: SQL = """
        select brand.id, slug, name, domain, industry, country, time_zone, currency, plan, status,
            onboarding_completed, brand.created_at, brand.updated_at, coalesce(instance.generation, 0)
        from brand left join instance on instance.brand_id = brand.id
        """

    private func decode(_ row: PostgresRow) throws -> Brand {
        let (
            id, slug, name, domain, industry, country, timeZone, currency, plan, status, completed, createdAt,
            updatedAt, generation
        ) = try row.decode(
            (
                BrandID, Slug, String, String?, String?, String, String, String, String, String, Bool,
                Timestamp,
                Timestamp, Int64
            ).self)
        guard let status = BrandView.Status(rawValue: status) else {
            throw Fault(.internal, doing: "read brand '\(slug)'", "its status '\(status)' is unknown here")
        }
        return Brand(
            id: id, slug: slug, name: name, domain: domain, industry: industry, country: country,
            timeZone: timeZone, currency: currency, plan: plan, status: status,
            onboardingCompleted: completed, createdAt: createdAt, updatedAt: updatedAt,
            generation: generation)
    }
}
