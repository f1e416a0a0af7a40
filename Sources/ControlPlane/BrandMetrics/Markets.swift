import Contract
import Kernel

/// Says once for each month that is over what the brands of each market came to.
///
/// It waits `settlingDays` for the days to be complete. From then on what was published stays, whatever is
/// computed again: two versions of one month would tell what changed between them.
struct Markets: Sendable {
    /// Days of the next month after which a month is told of.
    static let settlingDays = 4

    let store: MarketStore
    let clock: any WallClock

    /// Publishes last month for the markets of which nothing was said of it yet, or withholds it for good.
    func publishDue() async throws -> [String: Int] {
        var counts = ["published": 0, "withheld": 0]
        let today = Day(utc: clock.now())
        guard today.dayOfMonth > Markets.settlingDays else { return counts }
        let month = today.firstOfMonth.adding(days: -1).firstOfMonth
        for market in try await store.open(for: month) {
            let months = try await store.months(of: market, in: month)
            var random = SystemRandomNumberGenerator()
            let cohort = MarketCohort.next(
                eligible: Set(months.map(\.brand)), after: try await store.cohorts(of: market), using: &random
            )
            let figures = cohort.map { cohort in
                Markets.figures(of: months.filter { cohort.contains($0.brand) })
            }
            try await store.publish(
                market, month: month, cohort: cohort ?? [], figures: figures, at: clock.now())
            counts[figures == nil ? "withheld" : "published", default: 0] += 1
        }
        return counts
    }

    /// The figures that every brand of a cohort has: fewer values would be another cohort.
    static func figures(of months: [BrandMonth]) -> [MarketView.Figure] {
        BrandMetric.allCases.filter { $0.monthly != nil }.compactMap { metric in
            let values = months.compactMap { $0.figures[metric] }
            guard values.count == months.count, let quartiles = Quartiles(of: values) else { return nil }
            return MarketView.Figure(
                name: metric.rawValue, unit: metric.monthlyUnit.rawValue,
                p25: Quartiles.rounded(quartiles.p25), p50: Quartiles.rounded(quartiles.p50),
                p75: Quartiles.rounded(quartiles.p75))
        }
    }

    /// A page of what was published, the newest month first.
    func list(
        of market: (industry: String?, currency: String?), after cursor: Cursor?, limit: Int, doing: String
    ) async throws -> Page<MarketView> {
        let position = try cursor.map { cursor throws(Fault) in
            let parts = cursor.position.split(separator: "\n", maxSplits: 2).map(String.init)
            guard parts.count == 3, let month = Day(parts[0] + "-01") else {
                throw Fault(
                    .invalid, doing: doing, "expected a nextCursor of an earlier page", field: "cursor")
            }
            return (month: month, market: Market(industry: parts[2], currency: parts[1]))
        }
        let found = try await store.list(
            industry: market.industry, currency: market.currency?.uppercased(), after: position,
            limit: limit + 1)
        let items = Array(found.prefix(limit))
        let next = items.last.map { "\($0.month)\n\($0.currency)\n\($0.industry)" }
        return Page(items: items, nextCursor: found.count > limit ? Cursor(next).text : nil)
    }
}
