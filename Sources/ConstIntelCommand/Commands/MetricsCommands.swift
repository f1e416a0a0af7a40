import ArgumentParser
import Contract
import Foundation
import Kernel

struct MetricsGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "metrics",
        abstract: "See what brands came to day by day, and what their markets came to in a month.",
        discussion: """
            A day is one of the brand's own time zone, and is there once it has ended. Test events do not \
            count.

            Example:
              constintel metrics show acme --from 2026-01-01 --to 2026-01-31
              constintel metrics market --industry apparel
            """,
        subcommands: [MetricsShow.self, MetricsRecompute.self, MetricsMarket.self])
}

struct MetricsShow: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a brand's figures of each day, the newest first.",
        discussion: """
            --output json has every figure, and when each day was computed.

            Example:
              constintel metrics show acme --from 2026-01-01 --to 2026-01-31
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "The first day, such as 2026-01-01.", transform: parseDay)
    var from: Day?

    @Option(help: "The last day.", transform: parseDay)
    var to: Day?

    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func validate() throws {
        if let from, let to, to < from { throw ValidationError("--to is not before --from.") }
    }

    func run(on service: Service) async throws {
        let span = [(name: "from", value: from?.description), (name: "to", value: to?.description)]
        let answer = try await service.control.send(
            Request(
                .get, "/api/admin/brands/\(slug)/metrics", query: page.query(with: span),
                doing: "read the metrics of '\(slug)'"))
        try service.report(page: answer, of: BrandMetricsView.self) { days in
            Table(
                [
                    .init("date"), .init("revenue", .right), .init("currency"), .init("growth", .right),
                    .init("orders", .right), .init("average", .right), .init("customers", .right),
                    .init("new", .right), .init("active", .right),
                ],
                rows: days.map {
                    [
                        $0.date.description, $0.revenue, $0.currency, $0.revenueGrowth.map(percent) ?? "",
                        grouped($0.orderCount), $0.avgOrderValue ?? "", grouped($0.customerCount),
                        grouped($0.newCustomers), grouped($0.activeCustomers),
                    ]
                })
        }
    }
}

struct MetricsRecompute: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "recompute",
        abstract: "Compute a brand's days again from its events, and say how many came out otherwise.",
        discussion: """
            The service computes by itself what late events have changed. This is for after a re-fold, or \
            when in doubt; a day that comes out as it was keeps its row.

            Example:
              constintel metrics recompute acme --day 2026-01-31
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(
        help: "The first day to compute; those after it build on it and follow (default: every day).",
        transform: parseDay)
    var day: Day?

    @OptionGroup var plan: PlanOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        var request = try Request.brand(
            .post, slug, "/metrics/recompute", json: MetricsRecomputation(day: day),
            doing: "compute the metrics of '\(slug)' again")
        request.isLong = true
        guard let answer = try await service.write(request, unless: plan) else { return }
        try service.report(answer) {
            let done = try answer.decode(MetricsRecomputed.self)
            guard let from = done.from, let through = done.through else {
                return ["No day of '\(slug)' has ended yet."]
            }
            return ["Computed '\(slug)' from \(from) through \(through): \(done.changed) days changed."]
        }
    }
}

struct MetricsMarket: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "market",
        abstract: "Show what brands of each industry came to in each month: quarters over 5 or more of them.",
        discussion: """
            Amounts are rounded so that no brand can be read off, and a month is told of once. A brand's own \
            people see its own market with --brand.

            Example:
              constintel metrics market --industry apparel --currency EUR
            """)

    @Option(help: "Only this industry.")
    var industry: String?

    @Option(help: "Only brands whose amounts are in this currency.")
    var currency: String?

    @Option(help: "The market of this brand.", transform: parseSlug)
    var brand: Slug?

    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func validate() throws {
        guard brand == nil || (industry == nil && currency == nil) else {
            throw ValidationError("--brand says which market; leave out --industry and --currency.")
        }
    }

    func run(on service: Service) async throws {
        let filters = [(name: "industry", value: industry), (name: "currency", value: currency)]
        let answer = try await service.control.send(
            Request(
                .get, brand.map { "/api/admin/brands/\($0)/market" } ?? "/api/admin/market",
                query: page.query(with: filters), doing: "read what markets came to"))
        try service.report(page: answer, of: MarketView.self) { markets in
            Table(
                [
                    .init("month"), .init("industry"), .init("currency"), .init("brands", .right),
                    .init("figure"), .init("25 %", .right), .init("50 %", .right), .init("75 %", .right),
                ],
                rows: markets.flatMap { market in
                    market.figures.map { figure in
                        [
                            market.month, market.industry, market.currency, grouped(Int64(market.brands)),
                            figure.name, figure.p25, figure.p50, figure.p75,
                        ]
                    }
                })
        }
    }
}

/// `text` as a day.
@Sendable private func parseDay(_ text: String) throws -> Day {
    guard let day = Day(text) else { throw ValidationError("expected a day such as 2027-01-31") }
    return day
}

/// A part of a whole as people read it: `+12.5 %`.
private func percent(_ part: Double) -> String { String(format: "%+.1f %%", part * 100) }
