import Commerce
import Contract
import Customers
import Events
import Foundation
import Kernel
import Postgres
import TestSupport

@testable import ControlPlane
@testable import Events

/// A brand whose metrics are computed, beside the writer that commits its events.
struct MeasuredShop: Sendable {
    let slug: Slug
    let test: TestPlane
    let calendar: Calendar
    let currency: String
    private let database: WriterDatabase
    private let projectors: [any Projector]
    private let owner: PostgresConfiguration

    /// Provisions a brand.
    init(
        _ test: TestPlane, timeZone: String = "UTC", currency: String = "USD", industry: String? = nil
    ) async throws {
        let slug = try TestPlane.slug()
        let draft = BrandDraft(
            slug: slug.text, industry: industry, country: "IN", timeZone: timeZone, currency: currency)
        let asked = try await test.call(.post, "/api/admin/brands", draft).decode(OperationView.self)
        try await test.settle(asked.id)
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(identifier: timeZone)!
        (self.slug, self.test, self.calendar, self.currency) = (slug, test, calendar, currency)
        owner = try TestServers().postgres.with(database: test.foundations.places.brandsDatabase)
            .with(settings: ["role": slug.ownerRole, "search_path": slug.schemaName])
        database = WriterDatabase(configuration: owner, reactor: TestServers.reactor, generation: 1)
        let settings = BrandSettings(name: "Shop", country: "IN", timeZone: timeZone, currency: currency)
        let known: @Sendable () -> BrandSettings = { settings }
        projectors = [
            EventKeyProjector(), IdentityProjector(settings: known), RawEventProjector(), ProfileProjector(),
            OrderProjector(settings: known), MergeHistoryProjector(),
        ]
    }

    /// Commits a batch, as the brand's instance does.
    func commit(_ events: [Event]) async throws {
        let placed = events.map { PlacedEvent(id: EventID(at: $0.receivedAt), event: $0) }
        _ = try await database.commit(EventBatch(events: placed), through: projectors)
        await database.close()
    }

    /// Commits a purchase of somebody.
    func sell(
        _ total: String, to email: String?, at instant: String, currency: String? = nil, order: String? = nil,
        version: Int = 1, isTest: Bool = false, receivedAt: Timestamp? = nil
    ) async throws {
        let named = currency.map { #", "currency": "\#($0)""# } ?? ""
        let known = order.map { #", "orderId": "\#($0)", "version": \#(version)"# } ?? ""
        let properties = #"{"total": "\#(total)"\#(named)\#(known)}"#
        try await commit([
            Event(
                source: "api", key: "\(UUIDv7(at: SystemWallClock().now()))", type: .purchase,
                occurredAt: Timestamp(rfc3339: instant)!, receivedAt: receivedAt ?? SystemWallClock().now(),
                channel: "web",
                identifiers: email.map { [SentIdentifier(kind: .email, value: $0)] } ?? [],
                properties: Array(properties.utf8), isTest: isTest)
        ])
    }

    /// Commits a refund or a cancellation.
    func adjust(_ type: EventType, _ properties: String, at instant: String) async throws {
        let now = SystemWallClock().now()
        try await commit([
            Event(
                source: "api", key: "\(UUIDv7(at: now))", type: type,
                occurredAt: Timestamp(rfc3339: instant)!, receivedAt: now, channel: "web", identifiers: [],
                properties: Array(properties.utf8), isTest: false)
        ])
    }

    /// Runs statements in the brand's schema.
    @discardableResult
    func run(_ sql: SQL) async throws -> PostgresRows {
        let connection = try await PostgresConnection.connect(owner, on: TestServers.reactor)
        do {
            let rows = try await connection.run(sql)
            await connection.close()
            return rows
        } catch {
            await connection.close()
            throw error
        }
    }

    /// All rows of the brand, the newest day first.
    func days() async throws -> [BrandMetricsView] {
        var days: [BrandMetricsView] = []
        var query = "limit=200"
        while true {
            let page = try await test.call(.get, "/api/admin/brands/\(slug)/metrics?\(query)")
                .decode(Page<BrandMetricsView>.self)
            days += page.items
            guard let next = page.nextCursor else { return days }
            query = "limit=200&cursor=\(next)"
        }
    }

    func day(_ text: String) async throws -> BrandMetricsView? {
        try await days().first { $0.date.description == text }
    }

    @discardableResult
    func recompute(from day: String? = nil) async throws -> MetricsRecomputed {
        let answer = try await test.call(
            .post, "/api/admin/brands/\(slug)/metrics/recompute",
            MetricsRecomputation(day: day.flatMap { Day($0) }))
        guard answer.status == 200 else { throw try answer.problem }
        return try answer.decode(MetricsRecomputed.self)
    }
}

extension TestPlane {
    /// Runs the job after a day has passed, so that every brand is due.
    @discardableResult
    func nextDay() async throws -> JobView {
        clock.advance(by: .seconds(86_400))
        let answer = try await call(.post, "/api/admin/jobs/metrics/run")
        guard answer.status == 200 else { throw try answer.problem }
        return try answer.decode(JobView.self)
    }
}

/// A brand's figures of one day, counted over its raw events by statements that know nothing of the code
/// under test: what a day is, is worked out by Foundation's calendar.
struct PlainCount: Equatable {
    let revenue: Double
    let orders: Int64
    let customers: Int64
    let new: Int64
    let active: Int64

    init(of day: Day, _ shop: MeasuredShop) async throws {
        let parts = day.description.split(separator: "-").map { Int($0)! }
        let start = shop.calendar.date(
            from: DateComponents(year: parts[0], month: parts[1], day: parts[2]))!
        let next = shop.calendar.date(byAdding: .day, value: 1, to: start)!
        let from = Timestamp(microseconds: Int64(start.timeIntervalSince1970) * 1_000_000)
        let to = Timestamp(microseconds: Int64(next.timeIntervalSince1970) * 1_000_000)
        let event: SQL = "customer_raw_event where not test"
        let first: SQL = """
            (select min(occurred_at) as first from \(event) and customer_profile_id is not null
            group by customer_profile_id) as customer
            """
        let key: SQL = "coalesce('o' || (payload #>> '{properties,orderId}'), 'e' || event_key)"
        let sold: SQL = """
            from (select distinct on (source, \(key)) *,
                    min(occurred_at) over (partition by source, \(key)) as ordered_at
                from \(event) and event_type = 'purchase'
                order by source, \(key), (payload #>> '{properties,version}')::numeric desc nulls last,
                    occurred_at desc, event_key desc) as newest
            where ordered_at >= \(from) and ordered_at < \(to)
            """
        (active, new, customers, orders, revenue) = try await shop.run(
            """
            select (select count(distinct customer_profile_id) from \(event)
                    and occurred_at >= \(from) and occurred_at < \(to)),
                (select count(*) from \(first) where first >= \(from) and first < \(to)),
                (select count(*) from \(first) where first < \(to)),
                (select count(*) \(sold)),
                (select coalesce(sum((payload #>> '{properties,total}')::numeric), 0)::float8 \(sold)
                    and coalesce(payload #>> '{properties,currency}', \(shop.currency)) = \(shop.currency))
            """)[0].decode((Int64, Int64, Int64, Int64, Double).self)
    }

    init(_ view: BrandMetricsView) {
        revenue = Double(view.revenue)!
        (orders, customers, new, active) = (
            view.orderCount, view.customerCount, view.newCustomers, view.activeCustomers
        )
    }
}
