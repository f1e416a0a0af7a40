import Contract
import Hummingbird
import Kernel
import Web

/// `/api/admin/metrics` and `/api/admin/market`, and what of them is one brand's, under
/// `/api/admin/brands/:slug`.
struct BrandMetricsRoutes: Sendable {
    let daily: DailyMetrics
    let markets: Markets
    let brands: Brands
    let jobs: JobStore
    let changes: Changes

    func add(to admin: RouterGroup<WebContext>) {
        admin.get("metrics") { request, context in
            let doing = "read brands' metrics"
            try context.authenticated(doing: doing).require(.readPlatform, doing: doing)
            let brand = try await brand(request.query("brand"), doing: doing)
            return try await metrics(of: brand, request, doing: doing)
        }
        admin.get("brands/:slug/metrics") { request, context in
            let doing = "read the brand's metrics"
            let slug = try context.parameter("slug")
            try context.authenticated(doing: doing).require(.readBrand(slug), doing: doing)
            return try await metrics(of: brands.brand(slug, doing: doing).slug, request, doing: doing)
        }
        admin.post("brands/:slug/metrics/recompute") { request, context in
            try await recompute(request, context)
        }
        admin.get("market") { request, context in
            let doing = "read what markets came to"
            try context.authenticated(doing: doing).require(.readPlatform, doing: doing)
            return try await market(
                (request.query("industry"), request.query("currency")), request, doing: doing)
        }
        admin.get("brands/:slug/market") { request, context in
            let doing = "read what the brand's market came to"
            let slug = try context.parameter("slug")
            try context.authenticated(doing: doing).require(.readBrand(slug), doing: doing)
            let brand = try await brands.brand(slug, doing: doing)
            guard let industry = brand.industry else {
                throw Fault(.notFound, doing: doing, "the brand has no industry", field: "industry")
            }
            return try await market((industry, brand.currency), request, doing: doing)
        }
    }

    private func brand(_ slug: String?, doing: String) async throws -> Slug? {
        guard let slug else { return nil }
        return try await brands.brand(slug, doing: doing).slug
    }

    private func metrics(of brand: Slug?, _ request: Request, doing: String) async throws -> Response {
        let span = (from: try request.day("from", doing: doing), to: try request.day("to", doing: doing))
        if let from = span.from, let to = span.to, to < from {
            throw Fault(.invalid, doing: doing, "expected a day not before 'from'", field: "to")
        }
        return try WebResponse.json(
            try await daily.list(
                of: brand, in: span, after: request.cursor(doing: doing),
                limit: request.pageLimit(doing: doing), doing: doing))
    }

    private func market(
        _ market: (industry: String?, currency: String?), _ request: Request, doing: String
    ) async throws -> Response {
        try WebResponse.json(
            try await markets.list(
                of: market, after: request.cursor(doing: doing), limit: request.pageLimit(doing: doing),
                doing: doing))
    }

    private func recompute(_ request: Request, _ context: WebContext) async throws -> Response {
        let doing = DailyMetrics.recomputing
        let slug = try context.slug(doing: doing)
        let change = try await request.change(
            MetricsRecomputation.self, context, .operate, absent: MetricsRecomputation(), doing: doing)
        _ = try await brands.brand(slug.text, doing: doing)
        let day = change.body.day
        return try await changes.answer(change) {
            OperationPlan(
                kind: "metrics.recompute", subject: slug.text,
                effects: [
                    ("brands database", "read \(slug.schemaName)'s events, orders and profiles"),
                    (
                        "control database",
                        "replace rows of brand_metrics that come out otherwise, "
                            + (day.map { "from \($0) on" } ?? "of every day")
                    ),
                ])
        } _: { transaction in
            try await jobs.hold(Job.metricsName, in: transaction)
            return try await transaction.held { try await daily.recompute(slug, from: day) }
        }
    }
}

extension Request {
    /// A query parameter that is a day; nil when it is absent.
    fileprivate func day(_ name: String, doing: String) throws(Fault) -> Day? {
        guard let text = query(name) else { return nil }
        guard let day = Day(text) else {
            throw Fault(.invalid, doing: doing, "expected a day such as 2026-01-31", field: name)
        }
        return day
    }
}
