import Contract
import Kernel
import Logging
import Postgres

/// Keeps every brand's daily figures.
///
/// A day is computed once it has ended where the brand is, and again when something comes that belongs to it:
/// late events, other versions of its orders, or another opinion on who is who. Then the days after it are
/// computed again too, which build on it. A row says when it was computed, and is replaced only by another.
struct DailyMetrics: Sendable {
    let days: BrandDayStore
    let store: BrandMetricsStore
    let logger: Logger

    /// Brings every brand whose last day has ended up to that day. One that cannot be read fails alone.
    ///
    /// - Throws: `Fault.unavailable` that names the brands that failed, when all others are done.
    func computeDue() async throws -> [String: Int] {
        var counts = ["brands": 0, "changed": 0, "failed": 0]
        var failed: [String] = []
        var cursor = ""
        while true {
            let page = try await store.due(after: cursor, limit: 100)
            guard let last = page.last else { break }
            cursor = last.slug.text
            for brand in page {
                counts["brands", default: 0] += 1
                do {
                    let run = try await store.lastRun(of: brand.id)
                    counts["changed", default: 0] += try await compute(brand, since: run).changed
                } catch {
                    try Task.checkCancellation()
                    failed.append(brand.slug.text)
                    logger.warning(
                        "could not compute a brand's metrics: \(error)", metadata: ["brand": "\(brand.slug)"])
                }
            }
        }
        counts["failed"] = failed.count
        guard failed.isEmpty else {
            let named = failed.prefix(5).joined(separator: ", ") + (failed.count > 5 ? ", …" : "")
            throw Fault(
                .unavailable, doing: "compute the metrics",
                "failed for \(failed.count) of \(counts["brands"] ?? 0) brands that are due: \(named); the "
                    + "daemon's log says why")
        }
        return counts
    }

    /// Computes a brand's days from `day` on again, or every day.
    ///
    /// - Throws: `Fault.conflict` when the brand is being provisioned or changed, or is deleted.
    func recompute(_ slug: Slug, from day: Day?) async throws -> MetricsRecomputed {
        guard let brand = try await store.measured(slug) else {
            throw Fault(
                .conflict, doing: DailyMetrics.recomputing,
                "it is deleted, still being provisioned, or an operation is changing it")
        }
        return try await compute(brand, since: day == nil ? nil : store.lastRun(of: brand.id), asked: day)
    }

    static let recomputing = "compute the brand's metrics again"

    private func compute(
        _ brand: MeasuredBrand, since run: MetricsRun?, asked day: Day? = nil
    ) async throws -> MetricsRecomputed {
        let reading = try await days.read(brand, since: run, from: day)
        let changed = try await store.write(reading, of: brand)
        let isEmpty = reading.count == 0
        return MetricsRecomputed(
            brand: brand.slug, from: isEmpty ? nil : reading.from,
            through: isEmpty ? nil : reading.run.through, changed: changed)
    }

    /// A page of rows, the newest day first; only one brand's where it is given.
    func list(
        of brand: Slug?, in span: (from: Day?, to: Day?), after cursor: Cursor?, limit: Int, doing: String
    ) async throws -> Page<BrandMetricsView> {
        let position = try cursor.map { cursor throws(Fault) in
            let parts = cursor.position.split(separator: " ")
            guard parts.count == 2, let date = Day(parts[0]), let id = UUIDv7(parts[1]) else {
                throw Fault(
                    .invalid, doing: doing, "expected a nextCursor of an earlier page", field: "cursor")
            }
            return (date: date, id: id)
        }
        let found = try await store.list(of: brand, in: span, after: position, limit: limit + 1)
        let items = Array(found.prefix(limit))
        let next = items.last.map { "\($0.date) \($0.id)" }
        return Page(items: items, nextCursor: found.count > limit ? Cursor(next).text : nil)
    }
}
