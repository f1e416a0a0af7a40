import Contract
import Kernel
import Postgres

/// A market: brands of one industry whose amounts can be compared.
struct Market: Hashable, Sendable {
    /// In lower case.
    let industry: String
    let currency: String
}

/// What one brand came to in a month, by figure; a figure without a value is not there.
struct BrandMonth: Sendable {
    let brand: BrandID
    let figures: [BrandMetric: Double]
}

/// The table `market_publication`, to which rows are only added, and the months that it is made from.
struct MarketStore: Sendable {
    let pool: PostgresPool

    /// Brands of a market, and markets, that are looked at.
    private static let largest = 100_000

    /// Markets that brands are in and of which nothing has been said for `month` yet.
    func open(for month: Day) async throws -> [Market] {
        try await pool.run(
            """
            select distinct lower(industry), currency from brand
            where industry is not null and status <> 'provisioning' and not exists (
                select from market_publication p
                where p.industry = lower(brand.industry) and p.currency = brand.currency
                    and month = \(month.description)::date)
            limit \(MarketStore.largest)
            """
        ).decode((String, String).self).map { Market(industry: $0, currency: $1) }
    }

    /// The brands that were in the market, with figures, on each day of `month`, and are in it still.
    func months(of market: Market, in month: Day) async throws -> [BrandMonth] {
        let figures = BrandMetric.allCases.compactMap { metric in metric.monthly.map { (metric, $0) } }
        let columns = figures.map { metric, monthly -> String in
            switch monthly {
            case .sum: "sum(\(metric.column))::float8"
            case .last: "(array_agg(\(metric.column) order by date desc))[1]::float8"
            case .mean: "avg(\(metric.column))::float8"
            case .perOrder: "(sum(order_value) / nullif(sum(priced_orders), 0))::float8"
            }
        }
        return try await pool.run(
            """
            with span as (
                select \(month.description)::date as first,
                    (\(month.description)::date + interval '1 month')::date as ends
            )
            select brand_id, array[\(raw: columns.joined(separator: ", "))]
            from brand join brand_metrics m on brand_id = brand.id cross join span
            where lower(industry) = \(market.industry) and brand.currency = \(market.currency)
                and m.currency = brand.currency and status in ('trial', 'active', 'suspended')
                and industry_since <= first::timestamp at time zone time_zone
                and date >= first and date < ends
            group by brand_id, first, ends having count(*) = ends - first
            order by brand_id limit \(MarketStore.largest)
            """
        ).decode((BrandID, [Double?]).self).map { brand, values in
            let known = zip(figures, values).compactMap { figure, value in value.map { (figure.0, $0) } }
            return BrandMonth(brand: brand, figures: Dictionary(uniqueKeysWithValues: known))
        }
    }

    /// The cohorts that were published of a market, the oldest first.
    func cohorts(of market: Market) async throws -> [Set<BrandID>] {
        try await pool.run(
            """
            select cohort from market_publication
            where industry = \(market.industry) and currency = \(market.currency) and figures is not null
            order by month limit \(MarketStore.largest)
            """
        ).decode([BrandID].self).map(Set.init)
    }

    /// Says what is said of a market for a month; nil figures withhold it. What was said before stays.
    func publish(
        _ market: Market, month: Day, cohort: Set<BrandID>, figures: [MarketView.Figure]?, at now: Timestamp
    ) async throws {
        let figures = try figures.map { try JSONB(encoding: $0) }
        try await pool.run(
            """
            insert into market_publication (industry, currency, month, cohort, figures, published_at)
            values (\(market.industry), \(market.currency), \(month.description)::date, \(cohort.sorted()),
                \(figures), \(now))
            on conflict do nothing
            """)
    }

    /// A page of what was published, the newest month first, those after `cursor`; only of one industry and
    /// one currency where they are given.
    func list(
        industry: String?, currency: String?, after cursor: (month: Day, market: Market)?, limit: Int
    ) async throws -> [MarketView] {
        try await pool.run(
            """
            select industry, currency, month, cardinality(cohort), figures, published_at
            from market_publication
            where figures is not null and (\(industry)::text is null or industry = lower(\(industry)))
                and (\(currency)::text is null or currency = \(currency))
                and (\(cursor?.month.description)::date is null or month < \(cursor?.month.description)::date
                    or month = \(cursor?.month.description)::date
                    and (industry, currency) > (\(cursor?.market.industry), \(cursor?.market.currency)))
            order by month desc, industry, currency limit \(limit)
            """
        ).map { row in
            let (industry, currency, month, brands, figures, publishedAt) = try row.decode(
                (String, String, Timestamp, Int, JSONB, Timestamp).self)
            return MarketView(
                industry: industry, currency: currency, month: Day(utc: month).month, brands: brands,
                figures: try figures.decode([MarketView.Figure].self), publishedAt: publishedAt)
        }
    }
}
