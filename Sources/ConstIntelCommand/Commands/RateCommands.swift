import ArgumentParser
import Contract
import Kernel

struct RatesGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rates",
        abstract: "See and set at what a brand's orders in other currencies count.",
        discussion: """
            A rate is what one unit of a currency was worth in the brand's on a day. It holds until there is \
            a newer one, for six more days at most. An order without a rate is left out of the revenue, and \
            counted: see 'constintel brand stats'.

            Example:
              constintel rates import ecb.csv --brand acme
            """,
        subcommands: [RatesList.self, RatesSet.self, RatesImport.self, RatesRemove.self])
}

struct RatesList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List a brand's rates, by currency, the newest first.",
        discussion: """
            Example:
              constintel rates list --brand acme --currency EUR
            """)

    @Option(help: "Only rates of this currency, such as EUR.")
    var currency: String?

    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let filters = currency.map { [(name: "currency", value: $0)] } ?? []
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .get, "/api/rates", query: filters + page.query, doing: "list the rates of '\(brand.slug)'"))
        try service.report(page: answer, columns: ["currency", "day", "rate"])
    }
}

/// A currency and a day, as arguments.
struct RateDay: ParsableArguments {
    @Argument(help: "The currency, such as EUR.", transform: RateDay.parseCurrency)
    var currency: Currency

    @Argument(help: "The day in UTC, such as 2026-01-31.", transform: RateDay.parseDay)
    var day: Day

    @Sendable static func parseCurrency(_ text: String) throws -> Currency {
        guard let currency = Currency(text) else {
            throw ValidationError("expected a currency code of three letters, such as EUR")
        }
        return currency
    }

    @Sendable static func parseDay(_ text: String) throws -> Day {
        guard let day = Day(text) else { throw ValidationError("expected a day such as 2026-01-31") }
        return day
    }
}

struct RatesSet: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Set the rate of a currency on a day.",
        discussion: """
            Orders that it is for count at it at once.

            Example:
              constintel rates set EUR 2026-01-31 1.0842 --brand acme
            """)

    @OptionGroup var of: RateDay
    @Argument(help: "What one unit of it was worth in the brand's currency, such as 1.0842.") var rate: String
    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let draft = RatesDraft(rates: [CurrencyRate(currency: of.currency, day: of.day, rate: rate)])
        let answer = try await service.instance(of: brand.slug).send(
            Request(.put, "/api/rates", json: draft, doing: "set the rate of \(of.currency) on \(of.day)"))
        try service.report(rates: answer)
    }
}

struct RatesImport: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Set the rates of a CSV file with the columns currency, day and rate.",
        discussion: """
            All of them or none: a wrong row is named, and changes nothing. At most 10,000 rows.

            Example:
              constintel rates import ecb.csv --brand acme
            """)

    @Argument(help: "The file; '-' is standard input.", completion: .file()) var file: String
    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    private static let doing = "set the rates"
    private static let largestFile = 1 << 20

    func run(on service: Service) async throws {
        let input = try InputFile(file, doing: Self.doing)
        var bytes: [UInt8] = []
        while let piece = try input.read(upTo: 1 << 16) {
            bytes.append(contentsOf: piece.readableBytesView)
            guard bytes.count <= Self.largestFile else {
                throw Fault(.tooLarge, doing: Self.doing, "a file of rates has at most 1 MiB; split it")
            }
        }
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .put, "/api/rates", body: .bytes(bytes, contentType: "text/csv"),
                doing: Self.doing))
        try service.report(rates: answer)
    }
}

struct RatesRemove: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Take the rate of a currency on a day back.",
        discussion: """
            Orders that it was for count at the one before it, or are left out of the revenue.

            Example:
              constintel rates remove EUR 2026-01-31 --brand acme
            """)

    @OptionGroup var of: RateDay
    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .delete, "/api/rates/\(of.currency)/\(of.day)",
                doing: "take the rate of \(of.currency) on \(of.day) back"))
        try service.report(rates: answer)
    }
}

extension Service {
    fileprivate func report(rates answer: Answer) throws {
        let change = try answer.decode(RatesChange.self)
        try report(answer) {
            let orders = "\(grouped(change.orders)) \(change.orders == 1 ? "order counts" : "orders count")"
            let rates = "\(grouped(Int64(change.changed))) \(change.changed == 1 ? "rate" : "rates")"
            return ["\(rates) changed; \(orders) anew."]
        }
    }
}
