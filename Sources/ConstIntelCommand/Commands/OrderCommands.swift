import ArgumentParser
import Contract
import Kernel

struct OrdersGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "orders",
        abstract: "See a brand's orders, less what was refunded and cancelled.",
        discussion: """
            Example:
              constintel orders list --brand acme --limit 5
            """,
        subcommands: [OrdersList.self, OrdersShow.self])
}

struct OrdersList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List a brand's orders, the newest first.",
        discussion: """
            An order in another currency than the brand's is worth nothing in figures until there is a rate \
            for its day: see 'constintel rates'.

            Example:
              constintel orders list --brand acme --without-rate
            """)

    private static let columns = [
        "orderedAt", "orderId", "source", "total", "refunded", "cancelled", "value", "currency", "brandValue",
        "id",
    ]

    @Option(help: "Only orders of the profile with this id.", transform: parseID)
    var profile: ProfileID?

    @Option(name: .customLong("order-id"), help: "Only orders with this id of yours.")
    var orderID: String?

    @Flag(help: "Only orders that are left out of the revenue, since there is no rate for their day.")
    var withoutRate = false

    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let filters = [
            ("profile", profile?.description), ("orderId", orderID),
            ("withoutRate", withoutRate ? "true" : nil),
        ].compactMap { name, value in value.map { (name: name, value: $0) } }
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .get, "/api/orders", query: filters + page.query, doing: "list the orders of '\(brand.slug)'")
        )
        try service.report(page: answer, columns: Self.columns)
    }
}

struct OrdersShow: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one order with its refunds and cancellations.",
        discussion: """
            Example:
              constintel orders show 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --brand acme
            """)

    @Argument(help: "Its id, as 'constintel orders list' shows it.") var id: String
    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(.get, "/api/orders/\(escaped(id))", doing: "show the order \(id)"))
        let order = [
            "id", "orderId", "source", "orderedAt", "total", "refunded", "cancelled", "value", "currency",
            "rate", "brandValue", "customerProfileId",
        ]
        try service.report(answer) {
            Description(try answer.decode(JSONValue.self).fields(order: order)).lines
        }
    }
}
