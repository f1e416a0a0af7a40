/// Every figure that is kept of a brand's day: its name on the wire, its unit, and the one sentence that says
/// what it is. The statement that computes it is in `BrandDayStore.expression(of:)`.
///
/// A day is one of the brand's own time zone, and has 23, 24 or 25 hours. Test events are in no figure.
/// Customers are profiles as identity stands when the day is computed; a guest is none. An order counts on
/// the day of its newest version. Amounts are exact, and in the brand's present currency.
///
/// A figure whose source no room has yet is null. The room that brings the source adds the statement, and the
/// next run fills the days that can still be computed.
enum BrandMetric: String, CaseIterable, Sendable {
    case revenue, revenueGrowth, mrr, customerCount, newCustomers, churnRate, orderCount, orderValue
    case avgOrderValue, engagementScore, activeCustomers, retentionRate, mlImpactScore, churnReduction
    case ltvIncrease, usageScore, apiCalls, featuresUsed, performanceScore, trend, previousScore

    /// What a value is, and how it is written.
    enum Unit: String, Sendable {
        /// A decimal in the brand's currency.
        case money
        case count
        /// A count's mean over days.
        case average
        /// A part of a whole, or a change by it: 0.25 is a quarter.
        case ratio
        case score
        case text
        case object
    }

    /// How the days of a month make the month's figure, for the market.
    enum Monthly: Sendable {
        case sum
        /// The month's last day.
        case last
        case mean
        /// `orderValue` over the orders that it is the value of.
        case perOrder
    }

    var unit: Unit {
        switch self {
        case .revenue, .mrr, .orderValue, .avgOrderValue: .money
        case .customerCount, .newCustomers, .orderCount, .activeCustomers, .apiCalls: .count
        case .revenueGrowth, .churnRate, .retentionRate, .churnReduction, .ltvIncrease: .ratio
        case .engagementScore, .mlImpactScore, .usageScore, .performanceScore, .previousScore: .score
        case .trend: .text
        case .featuresUsed: .object
        }
    }

    /// What it is, in one sentence.
    var definition: String {
        switch self {
        case .revenue: "What the day's orders in the brand's currency are worth."
        case .revenueGrowth:
            "The day's revenue less that of the day before, as a part of the latter; none when that was not "
                + "above zero."
        case .mrr: "Monthly recurring revenue; there are no subscriptions yet."
        case .customerCount: "Customers first seen on the day or before it."
        case .newCustomers: "Customers whose first event happened on the day."
        case .churnRate: "The part of customers that left; no room says yet who has left."
        case .orderCount: "The day's orders in whatever currency, each counted once whatever its versions."
        case .orderValue:
            "What the day's orders in the brand's currency are worth before returns; the revenue, as long as "
                + "no returns are known."
        case .avgOrderValue:
            "The order value over the number of orders that it is the value of, to four decimals; none "
                + "without orders."
        case .engagementScore: "How much customers take part; nothing measures it yet."
        case .activeCustomers: "Customers that an event of the day belongs to."
        case .retentionRate: "The part of customers that came back; no room says yet in which time."
        case .mlImpactScore: "What predictions have changed; there are none yet."
        case .churnReduction: "How much less churn there is with predictions; there are none yet."
        case .ltvIncrease: "How much more customers are worth with predictions; there are none yet."
        case .usageScore: "How much of the product the brand uses; nothing measures it yet."
        case .apiCalls: "Requests to the brand's API; they are not kept by day yet."
        case .featuresUsed: "How often each feature was used; it is not kept yet."
        case .performanceScore: "All figures in one; the figures that it is made of are not there yet."
        case .trend: "Where the performance score goes; there is none yet."
        case .previousScore: "The performance score of the day before; there is none yet."
        }
    }

    /// How it is told of a market; nil for what is not.
    var monthly: Monthly? {
        switch self {
        case .revenue, .orderCount, .newCustomers: .sum
        case .customerCount: .last
        case .activeCustomers: .mean
        case .avgOrderValue: .perOrder
        default: nil
        }
    }

    /// The unit of a market's figure.
    var monthlyUnit: Unit { monthly == .mean ? .average : unit }

    /// Its column, which is its name in snake case.
    var column: String {
        rawValue.reduce(into: "") { column, letter in
            column += letter.isUppercase ? "_" + letter.lowercased() : String(letter)
        }
    }
}
