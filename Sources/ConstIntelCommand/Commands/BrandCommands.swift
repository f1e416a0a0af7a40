import ArgumentParser
import Contract
import Foundation
import Kernel

struct BrandGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "brand",
        abstract: "Create, change, suspend and delete brands, and see how they are.",
        discussion: """
            Example:
              constintel brand create acme --name "Acme Stores" --country IN --currency INR
            """,
        subcommands: [
            BrandCreate.self, BrandList.self, BrandShow.self, BrandStats.self, BrandUsage.self,
            BrandRefold.self, BrandUpdate.self, BrandSuspend.self, BrandResume.self, BrandPlan.self,
            BrandTrial.self, BrandDelete.self, BrandUndelete.self, BrandPurge.self, SettingsGroup.self,
            BrandHealth.self, BrandTokenCommand.self,
        ])
}

struct BrandList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the brands.",
        discussion: """
            Example:
              constintel brand list
            """)

    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(
            Request(.get, "/api/admin/brands", query: page.query, doing: "list the brands"))
        try service.report(page: answer, of: BrandView.self) { brands in
            Table(
                [
                    .init("slug"), .init("name"), .init("plan"), .init("status"), .init("instance"),
                    .init("currency"), .init("created"),
                ],
                rows: brands.map {
                    [
                        $0.slug.text, $0.name, $0.plan, $0.status.rawValue, $0.instance.state, $0.currency,
                        $0.createdAt.description,
                    ]
                })
        }
    }
}

struct BrandShow: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one brand.",
        discussion: """
            Example:
              constintel brand show acme
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        try await service.show(slug)
    }
}

struct BrandUsage: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage",
        abstract: "Show what a brand uses of what its plan allows.",
        discussion: """
            A month is one of the brand's time zone. A sleeping instance is not woken.

            Example:
              constintel brand usage acme
              constintel brand usage acme --under free
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @Option(help: "Compare with this plan instead of the brand's own.")
    var under: String?

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        var request = Request.brand(.get, slug, "/usage", doing: "show the usage of '\(slug)'")
        if let under { request.query.append(("plan", under)) }
        let answer = try await service.control.send(request)
        try service.report(answer) {
            let usage = try answer.decode(UsageView.self)
            service.note("The month is \(usage.month.from) to \(usage.month.to), \(usage.timeZone).")
            return service.lines(
                Table(
                    [.init("limit"), .init("used", .right), .init("allowed", .right), .init("")],
                    rows: usage.items.map {
                        [
                            $0.name, grouped(Int64($0.used)), $0.limit.map { grouped(Int64($0)) } ?? "any",
                            $0.isOver ? "over" : "",
                        ]
                    }))
        }
    }
}

struct BrandStats: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats",
        abstract: "Show a brand's totals.",
        discussion: """
            Example:
              constintel brand stats acme --output json
            """)

    @Argument(help: "The brand's slug.", transform: parseSlug)
    var slug: Slug

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: slug).send(
            Request(.get, "/api/monitoring/stats", doing: "read the totals of '\(slug)'"))
        try service.report(answer) { try Self.lines(answer.decode(StatsView.self)) }
    }

    private static func lines(_ stats: StatsView) -> [String] {
        let others = stats.otherCurrencies.sorted { $0.key < $1.key }
        return Description(
            [
                ("profiles", grouped(stats.profiles)), ("events", grouped(stats.events)),
                ("orders", grouped(stats.orders)), ("revenue", "\(stats.revenue) \(stats.currency)"),
            ] + others.map { (name: "revenue in \($0.key)", value: Optional($0.value)) }
                + stats.ordersWithoutRate.sorted { $0.key < $1.key }.map {
                    (name: "orders without a rate", value: Optional("\(grouped($0.value)) in \($0.key)"))
                }
                + [("waiting", stats.waiting == 0 ? nil : grouped(stats.waiting))]
        ).lines
    }
}
