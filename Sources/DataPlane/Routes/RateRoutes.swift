import Commerce
import Contract
import HTTPTypes
import Hummingbird
import Integrations
import Kernel
import Web

/// `/api/rates`: at what orders in other currencies count.
struct RateRoutes: Sendable {
    private static let setting = "set the rates"

    let rates: Rates

    func add(to router: RouterGroup<WebContext>) {
        router.get("rates", use: list)
        router.put("rates", use: set)
        router.delete("rates/:currency/:day", use: withdraw)
    }

    @Sendable private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "list the rates"
        _ = try context.require(.ordersRead, doing: doing)
        let currency = try request.query("currency").map { try code($0, doing: doing) }
        var cursor: RateCursor?
        if let text = request.query("cursor") {
            guard let parsed = RateCursor(text) else {
                throw Fault(
                    .invalid, doing: doing, "expected the nextCursor of an earlier page", field: "cursor")
            }
            cursor = parsed
        }
        let found = try await rates.list(
            currency, behind: cursor, limit: try request.pageLimit(doing: doing))
        return try WebResponse.json(Page(items: found.rates, nextCursor: found.next?.description))
    }

    /// `{"rates": […]}`, or a file with the columns currency, day and rate (`text/csv`).
    @Sendable private func set(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try context.require(.ordersWrite, doing: RateRoutes.setting)
        let type = request.headers[.contentType]?.prefix { $0 != ";" && $0 != " " }.lowercased()
        let sent: [CurrencyRate]
        if type == "text/csv" {
            let body = try await request.wholeBody(
                upTo: RateFile.maximumBytes, doing: RateRoutes.setting)
            sent = try RateFile.rates(Array(body.readableBytesView), doing: RateRoutes.setting)
        } else {
            sent = try await request.decode(RatesDraft.self, doing: RateRoutes.setting).rates
        }
        return try WebResponse.json(try await rates.set(sent))
    }

    @Sendable private func withdraw(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = "take the rate back"
        _ = try context.require(.ordersWrite, doing: doing)
        let (code, text) = (try context.parameter("currency"), try context.parameter("day"))
        guard let currency = Currency(code), let day = Day(text) else {
            throw Fault(.notFound, doing: doing, "there is no rate of \(code) of \(text)")
        }
        return try WebResponse.json(try await rates.withdraw(currency, on: day))
    }

    private func code(_ text: String, doing: String) throws(Fault) -> Currency {
        guard let currency = Currency(text) else {
            throw Fault(
                .invalid, doing: doing, "expected a currency code of three letters, such as USD",
                field: "currency")
        }
        return currency
    }
}
