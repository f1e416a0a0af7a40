import Contract
import Kernel
import Postgres

/// The tables `brand_metrics` and `brand_metrics_run`.
struct BrandMetricsStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    /// How far the brand's metrics have come; nil before the first run.
    func lastRun(of brand: BrandID) async throws -> MetricsRun? {
        try await pool.run(
            """
            select through, time_zone, currency, events, received_through, read_at from brand_metrics_run
            where brand_id = \(brand)
            """
        ).first.map { row in
            let (through, zone, currency, events, received, readAt) = try row.decode(
                (Timestamp, String, String, Int64, Timestamp?, Timestamp).self)
            return MetricsRun(
                through: Day(utc: through), timeZone: zone, currency: currency, events: events,
                receivedThrough: received, readAt: readAt)
        }
    }

    /// Brands after `cursor` whose metrics lack a day that has ended, or were computed for another time zone
    /// or currency, by slug.
    func due(after cursor: String, limit: Int) async throws -> [MeasuredBrand] {
        try await measured(
            """
            slug > \(cursor) and not exists (
                select from brand_metrics_run r
                where r.brand_id = brand.id
                    and r.through >= (\(clock.now())::timestamptz at time zone brand.time_zone)::date - 1
                    and r.time_zone = brand.time_zone and r.currency = brand.currency)
            """, limit: limit)
    }

    /// The brand of this slug; nil when it cannot be computed now.
    func measured(_ slug: Slug) async throws -> MeasuredBrand? {
        try await measured("slug = \(slug)", limit: 1).first
    }

    /// Brands that have been provisioned, that are not deleted, and that no operation is changing.
    private func measured(_ condition: SQL, limit: Int) async throws -> [MeasuredBrand] {
        try await pool.run(
            """
            select id, slug, time_zone, currency, created_at from brand
            where status not in ('provisioning', 'deleted')
                and not exists (
                    select 1 from operation where subject = slug
                        and state in ('pending', 'running', 'unwinding', 'stuck'))
                and \(condition)
            order by slug limit \(limit)
            """
        ).map { row in
            let (id, slug, zone, currency, createdAt) = try row.decode(
                (BrandID, Slug, String, String, Timestamp).self)
            return MeasuredBrand(
                id: id, slug: slug, timeZone: zone, currency: currency, createdAt: createdAt)
        }
    }

    /// Replaces what is known of the days of a reading, and gives how many came out otherwise. A day that
    /// comes out as it was keeps its row, with when that was computed.
    func write(_ reading: BrandReading, of brand: MeasuredBrand) async throws -> Int {
        try await pool.transaction { transaction in
            let removed = try await transaction.run(
                """
                delete from brand_metrics
                where brand_id = \(brand.id) and date >= \(reading.replaced.description)::date
                    and date not in (
                        select (day->>'date')::date from jsonb_array_elements(\(reading.days)) as day)
                """)
            let written = try await transaction.run(upsert(reading, of: brand))
            let run = reading.run
            try await transaction.run(
                """
                insert into brand_metrics_run as r (brand_id, through, time_zone, currency, events,
                    received_through, read_at)
                values (\(brand.id), \(run.through.description)::date, \(run.timeZone), \(run.currency),
                    \(run.events), \(run.receivedThrough), \(run.readAt))
                on conflict (brand_id) do update set through = excluded.through,
                    time_zone = excluded.time_zone, currency = excluded.currency, events = excluded.events,
                    received_through = excluded.received_through, read_at = excluded.read_at
                """)
            return removed.affected + written.affected
        }
    }

    private func upsert(_ reading: BrandReading, of brand: MeasuredBrand) -> SQL {
        let now = clock.now()
        let names = BrandMetric.allCases.map(\.column) + ["priced_orders", "other_currencies", "currency"]
        let of = { (table: String) in SQL(raw: names.map { "\(table).\($0)" }.joined(separator: ", ")) }
        return """
            insert into brand_metrics as m (id, brand_id, date, computed_at,
                \(raw: names.joined(separator: ", ")))
            select (\((0..<reading.count).map { _ in UUIDv7(at: now) }))[place], \(brand.id), computed.date,
                \(now), \(of("computed"))
            from jsonb_array_elements(\(reading.days)) with ordinality as listed (day, place)
                cross join lateral jsonb_populate_record(null::brand_metrics,
                    day || jsonb_build_object('currency', \(brand.currency)::text)) as computed
            on conflict (brand_id, date) do update
            set (\(raw: names.joined(separator: ", "))) = row(\(of("excluded"))),
                computed_at = excluded.computed_at
            where (\(of("m"))) is distinct from (\(of("excluded")))
            """
    }

    /// The columns of a row, amounts as texts with two decimals or as many as they need.
    private static let columns: SQL = {
        let figures = BrandMetric.allCases.map { metric in
            let column = metric.column
            guard metric.unit == .money else { return column }
            return "round(\(column), greatest(2, min_scale(\(column))))::text as \(column)"
        }
        return SQL(raw: figures.joined(separator: ", "))
    }()

    /// A page of rows, the newest day first, those after `cursor`.
    ///
    /// - Parameters:
    ///   - brand: only this brand's, of whatever status.
    ///   - span: only days of it; either end may be open.
    func list(
        of brand: Slug?, in span: (from: Day?, to: Day?), after cursor: (date: Day, id: UUIDv7)?, limit: Int
    ) async throws -> [BrandMetricsView] {
        try await pool.run(
            """
            select m.id, brand_id, slug, date, m.currency, \(BrandMetricsStore.columns), other_currencies,
                computed_at
            from brand_metrics m join brand on brand.id = brand_id
            where (\(brand)::text is null or slug = \(brand))
                and (\(span.from?.description)::date is null or date >= \(span.from?.description)::date)
                and (\(span.to?.description)::date is null or date <= \(span.to?.description)::date)
                and (\(cursor?.id)::uuid is null
                    or (date, m.id) < (\(cursor?.date.description)::date, \(cursor?.id)))
            order by date desc, m.id desc limit \(limit)
            """
        ).map(view)
    }

    private func view(_ row: PostgresRow) throws -> BrandMetricsView {
        BrandMetricsView(
            id: try row.decode("id"), brandId: try row.decode("brand_id"), brand: try row.decode("slug"),
            date: Day(utc: try row.decode("date", as: Timestamp.self)),
            currency: try row.decode("currency"), revenue: try row.decode("revenue"),
            revenueGrowth: try row.decode("revenue_growth"), mrr: try row.decode("mrr"),
            customerCount: try row.decode("customer_count"), newCustomers: try row.decode("new_customers"),
            churnRate: try row.decode("churn_rate"), orderCount: try row.decode("order_count"),
            orderValue: try row.decode("order_value"), avgOrderValue: try row.decode("avg_order_value"),
            engagementScore: try row.decode("engagement_score"),
            activeCustomers: try row.decode("active_customers"),
            retentionRate: try row.decode("retention_rate"), mlImpactScore: try row.decode("ml_impact_score"),
            churnReduction: try row.decode("churn_reduction"), ltvIncrease: try row.decode("ltv_increase"),
            usageScore: try row.decode("usage_score"), apiCalls: try row.decode("api_calls"),
            featuresUsed: try row.decode("features_used", as: JSONB?.self)?.decode([String: Int64].self),
            performanceScore: try row.decode("performance_score"), trend: try row.decode("trend"),
            previousScore: try row.decode("previous_score"),
            otherCurrencies: try row.decode("other_currencies", as: JSONB.self).decode([String: String].self),
            computedAt: try row.decode("computed_at"))
    }
}
