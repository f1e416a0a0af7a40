import Kernel

/// One brand's figures of one day: an item of `GET /api/admin/metrics` and of
/// `GET /api/admin/brands/:slug/metrics`.
///
/// What is absent has no source yet, or no value on that day, such as the average of no orders.
public struct BrandMetricsView: Codable, Sendable, Equatable {
    public var id: UUIDv7
    public var brandId: BrandID
    public var brand: Slug
    /// A day in the brand's own time zone.
    public var date: Day
    /// What the amounts are in.
    public var currency: String
    public var revenue: String
    public var revenueGrowth: Double?
    public var mrr: String?
    public var customerCount: Int64
    public var newCustomers: Int64
    public var churnRate: Double?
    public var orderCount: Int64
    public var orderValue: String
    public var avgOrderValue: String?
    public var engagementScore: Double?
    public var activeCustomers: Int64
    public var retentionRate: Double?
    public var mlImpactScore: Double?
    public var churnReduction: Double?
    public var ltvIncrease: Double?
    public var usageScore: Double?
    public var apiCalls: Int64?
    /// How often each feature was used.
    public var featuresUsed: [String: Int64]?
    public var performanceScore: Double?
    public var trend: String?
    public var previousScore: Double?
    /// What orders in other currencies are worth, which no other figure but `orderCount` counts.
    public var otherCurrencies: [String: String]
    /// When these figures were computed.
    public var computedAt: Timestamp

    public init(
        id: UUIDv7, brandId: BrandID, brand: Slug, date: Day, currency: String, revenue: String,
        revenueGrowth: Double? = nil, mrr: String? = nil, customerCount: Int64, newCustomers: Int64,
        churnRate: Double? = nil, orderCount: Int64, orderValue: String, avgOrderValue: String? = nil,
        engagementScore: Double? = nil, activeCustomers: Int64, retentionRate: Double? = nil,
        mlImpactScore: Double? = nil, churnReduction: Double? = nil, ltvIncrease: Double? = nil,
        usageScore: Double? = nil, apiCalls: Int64? = nil, featuresUsed: [String: Int64]? = nil,
        performanceScore: Double? = nil, trend: String? = nil, previousScore: Double? = nil,
        otherCurrencies: [String: String], computedAt: Timestamp
    ) {
        self.id = id
        self.brandId = brandId
        self.brand = brand
        self.date = date
        self.currency = currency
        self.revenue = revenue
        self.revenueGrowth = revenueGrowth
        self.mrr = mrr
        self.customerCount = customerCount
        self.newCustomers = newCustomers
        self.churnRate = churnRate
        self.orderCount = orderCount
        self.orderValue = orderValue
        self.avgOrderValue = avgOrderValue
        self.engagementScore = engagementScore
        self.activeCustomers = activeCustomers
        self.retentionRate = retentionRate
        self.mlImpactScore = mlImpactScore
        self.churnReduction = churnReduction
        self.ltvIncrease = ltvIncrease
        self.usageScore = usageScore
        self.apiCalls = apiCalls
        self.featuresUsed = featuresUsed
        self.performanceScore = performanceScore
        self.trend = trend
        self.previousScore = previousScore
        self.otherCurrencies = otherCurrencies
        self.computedAt = computedAt
    }
}

/// `POST /api/admin/brands/:slug/metrics/recompute`.
public struct MetricsRecomputation: JSONBody {
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case day
    }

    /// The first day that is computed again, with those after it, which build on it; every day when absent.
    public var day: Day?

    public init(day: Day? = nil) { self.day = day }
}

/// What became of a recomputation.
public struct MetricsRecomputed: Codable, Sendable, Equatable {
    public var brand: Slug
    /// The first and the last day that were computed; absent when no day of the brand has ended yet.
    public var from: Day?
    public var through: Day?
    /// How many days came out otherwise than they were, new ones included.
    public var changed: Int

    public init(brand: Slug, from: Day?, through: Day?, changed: Int) {
        self.brand = brand
        self.from = from
        self.through = through
        self.changed = changed
    }
}

/// What brands of one industry and one currency came to in one month: an item of `GET /api/admin/market`.
public struct MarketView: Codable, Sendable, Equatable {
    /// One figure's quarters over the brands, rounded to two significant digits.
    public struct Figure: Codable, Sendable, Equatable {
        /// A figure of `BrandMetricsView`.
        public var name: String
        /// `money`, `count` or `average`.
        public var unit: String
        /// Decimals: a quarter of the brands is below the first, half below the second.
        public var p25: String
        public var p50: String
        public var p75: String

        public init(name: String, unit: String, p25: String, p50: String, p75: String) {
            self.name = name
            self.unit = unit
            self.p25 = p25
            self.p50 = p50
            self.p75 = p75
        }
    }

    /// In lower case.
    public var industry: String
    public var currency: String
    /// `2026-01`.
    public var month: String
    /// How many brands the figures are over; at least 5.
    public var brands: Int
    public var figures: [Figure]
    public var publishedAt: Timestamp

    public init(
        industry: String, currency: String, month: String, brands: Int, figures: [Figure],
        publishedAt: Timestamp
    ) {
        self.industry = industry
        self.currency = currency
        self.month = month
        self.brands = brands
        self.figures = figures
        self.publishedAt = publishedAt
    }
}
