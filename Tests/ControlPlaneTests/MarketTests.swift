import Contract
import Foundation
import Kernel
import Postgres
import TestSupport
import Testing

@testable import ControlPlane

@Suite("What markets came to")
struct MarketTests {
    @Test("between any two publications of a market, as many brands hide each other as there must be")
    func cohorts() {
        var published = 0
        var months = 0
        for seed in 0..<400 as Range<UInt64> {
            var random = SeededGenerator(seed: seed)
            var market = Set(0..<Int.random(in: 3...25, using: &random))
            var newest = market.count
            var earlier: [Set<Int>] = []
            for _ in 0..<24 {
                months += 1
                // Now and then one comes or goes, or several do.
                for _ in 0..<[0, 0, 0, 1, 1, 2, 6][Int.random(in: 0..<7, using: &random)] {
                    newest += 1
                    market.insert(newest)
                }
                for _ in 0..<[0, 0, 0, 1, 2, 5][Int.random(in: 0..<6, using: &random)] {
                    if let gone = market.sorted().randomElement(using: &random) { market.remove(gone) }
                }
                guard let cohort = MarketCohort.next(eligible: market, after: earlier, using: &random) else {
                    continue
                }
                published += 1
                #expect(cohort.isSubset(of: market) && cohort.count >= 5, "seed \(seed)")
                for other in earlier {
                    for difference in [cohort.subtracting(other), other.subtracting(cohort)] {
                        #expect(difference.isEmpty || difference.count >= 5, "seed \(seed)")
                    }
                }
                earlier.append(cohort)
            }
        }
        print("markets: \(published) of \(months) months were published")
        #expect(Double(published) > Double(months) * 0.4)
    }

    @Test("one who comes waits for four others; one who goes takes four along, and they come back in company")
    func rules() {
        var random = SeededGenerator(seed: 1)
        func next(_ eligible: Set<Int>, _ earlier: Set<Int>...) -> Set<Int>? {
            MarketCohort.next(eligible: eligible, after: earlier, using: &random)
        }
        let ten = Set(0..<10)
        #expect(next(Set(0..<4)) == nil)
        #expect(next(Set(0..<5)) == Set(0..<5))
        #expect(next(ten.union([10]), ten) == ten)
        #expect(next(ten.union(10..<15), ten) == ten.union(10..<15))
        let less = next(ten.subtracting([3]), ten)
        #expect(less?.count == 5 && less?.contains(3) == false)
        #expect(next(Set(0..<9).subtracting([3]), Set(0..<9)) == nil)
        // Back without the one who left would tell it from the first publication.
        #expect(next(ten.subtracting([3]).union([77]), ten, less!) == less)
        #expect(next(ten.subtracting([3]).union(20..<25), ten, less!) == less!.union(20..<25))
    }

    @Test("quarters give neither the largest nor the smallest away, and have two significant digits")
    func quartiles() throws {
        #expect(Quartiles(of: [1, 2, 3, 4]) == nil)
        for count in 5...40 {
            let values = (0..<count).map { Double(100 + $0) }
            let plain = try #require(Quartiles(of: values))
            var others = values
            (others[0], others[count - 1]) = (-1e12, 1e12)
            let extreme = try #require(Quartiles(of: others))
            #expect(plain == extreme, "\(count) values")
        }
        let texts: [(Double, String)] = [
            (0, "0"), (1234, "1200"), (1250.1, "1300"), (99.6, "100"), (9.94, "9.9"), (7, "7"), (10, "10"),
            (0.0344, "0.034"), (0.5, "0.50"), (-1234, "-1200"), (123_456_789, "120000000"),
        ]
        for (value, text) in texts { #expect(Quartiles.rounded(value) == text) }
    }

    @Test("a month is told of once, over those who were there all month; who comes or goes alone is not seen")
    func differencing() async throws {
        try await TestPlane.with { test in
            var brands: [BrandID] = []
            for number in 1...10 {
                brands.append(try await test.member(since: "2025-11-02T00:00:00Z"))
                try await test.fill(brands[number - 1], "2026-01-01", revenue: 100 * number)
            }
            let markets = test.markets(at: "2026-02-05T00:00:00Z")
            let early = test.markets(at: "2026-02-04T23:00:00Z")
            #expect(try await early.publishDue() == ["published": 0, "withheld": 0])
            #expect(try await markets.publishDue() == ["published": 1, "withheld": 0])
            let january = try await test.told()
            #expect(january.map(\.brands) == [10])
            // 31 days of 325, 550 and 775 each.
            let revenue = try #require(january[0].figures.first { $0.name == "revenue" })
            #expect([revenue.p25, revenue.p50, revenue.p75] == ["10000", "17000", "24000"])

            // What is computed again afterwards changes nothing of what was said.
            try await test.fill(brands[4], "2026-01-01", revenue: 1_000_000)
            #expect(try await markets.publishDue() == ["published": 0, "withheld": 0])
            #expect(try await test.told() == january)
            let refused = await #expect(throws: PostgresError.self) {
                try await test.foundations.control.run("update market_publication set figures = null")
            }
            #expect(refused?.sqlState == "42501")

            // An extreme brand comes alone: February is as if it were not there.
            brands.append(try await test.member(since: "2026-01-15T00:00:00Z"))
            for (number, brand) in brands.enumerated() {
                try await test.fill(brand, "2026-02-01", revenue: number == 10 ? 1_000_000_000 : 500)
            }
            #expect(try await test.markets(at: "2026-03-05T00:00:00Z").publishDue()["published"] == 1)
            let february = try await test.told()[0]
            #expect(february.month == "2026-02" && february.brands == 10)
            #expect(february.figures.allSatisfy { $0.p25 == $0.p75 })

            // One goes: four others are left out with it.
            try await test.leave(brands[0])
            for brand in brands.dropFirst() { try await test.fill(brand, "2026-03-01", revenue: 500) }
            #expect(try await test.markets(at: "2026-04-05T00:00:00Z").publishDue()["published"] == 1)
            #expect(try await test.told()[0].brands == 5)

            // Another one goes, and there are too few to go with it.
            let cohort = try await test.lastCohort()
            try await test.leave(cohort[0])
            for brand in brands.dropFirst() { try await test.fill(brand, "2026-04-01", revenue: 500) }
            let last = test.markets(at: "2026-05-05T00:00:00Z")
            // The other one is of the market that they have gone to.
            #expect(try await last.publishDue() == ["published": 0, "withheld": 2])
            #expect(try await last.publishDue() == ["published": 0, "withheld": 0])
            #expect(try await test.told().map(\.month) == ["2026-03", "2026-02", "2026-01"])
        }
    }

    @Test("who lacks a day, has another currency or another industry is in no cohort of the market")
    func members() async throws {
        try await TestPlane.with { test in
            for _ in 0..<5 {
                try await test.fill(
                    try await test.member(since: "2025-11-02T00:00:00Z"), "2026-01-01", revenue: 1)
            }
            let euro = try await test.member(since: "2025-11-02T00:00:00Z", currency: "EUR")
            let book = try await test.member(since: "2025-11-02T00:00:00Z", industry: "books")
            let late = try await test.member(since: "2026-01-01T00:00:01Z")
            let gap = try await test.member(since: "2025-11-02T00:00:00Z")
            for brand in [euro, book, late, gap] { try await test.fill(brand, "2026-01-01", revenue: 1) }
            try await test.foundations.control.run(
                "delete from brand_metrics where brand_id = \(gap) and date = '2026-01-07'")
            let counts = try await test.markets(at: "2026-02-07T00:00:00Z").publishDue()
            #expect(counts == ["published": 1, "withheld": 2])
            let told = try await test.told()
            #expect(told.map(\.industry) == ["apparel"] && told.map(\.currency) == ["USD"])
            #expect(told.map(\.brands) == [5])
        }
    }

    @Test("a brand's owner reads its own market, and no other")
    func routes() async throws {
        try await TestPlane.with { test in
            let shop = try await MeasuredShop(test, industry: "apparel")
            let plain = try await MeasuredShop(test)
            for _ in 0..<5 {
                let brand = try await test.member(since: "2025-11-02T00:00:00Z")
                for month in ["2026-01-01", "2026-02-01"] { try await test.fill(brand, month, revenue: 1) }
            }
            for now in ["2026-02-05T00:00:00Z", "2026-03-05T00:00:00Z"] {
                _ = try await test.markets(at: now).publishDue()
            }
            let token = try await test.login(.brandOwner, brand: shop.slug.text).accessToken
            let own = "/api/admin/brands/\(shop.slug)/market"
            let first = try await test.call(.get, own + "?limit=1", token: token).decode(
                Page<MarketView>.self)
            #expect(first.items.map(\.month) == ["2026-02"])
            let cursor = try #require(first.nextCursor)
            let second = try await test.call(.get, own + "?limit=1&cursor=\(cursor)", token: token)
                .decode(Page<MarketView>.self)
            #expect(second.items.map(\.month) == ["2026-01"] && second.nextCursor == nil)
            #expect(
                try await test.call(.get, "/api/admin/brands/\(plain.slug)/market", token: token).status
                    == 403)
            #expect(try await test.call(.get, "/api/admin/brands/\(plain.slug)/market").status == 404)
            let all = try await test.call(.get, "/api/admin/market?industry=APPAREL&currency=usd")
                .decode(Page<MarketView>.self)
            #expect(all.items.count == 2)
            let document = try OpenAPIDocument(of: "ControlPlane")
            for path in ["/api/admin/market", own] {
                let body = try await test.call(.get, path).body
                let operation = "GET " + path.replacing(shop.slug.text, with: "{slug}")
                let faults = try document.faults(
                    in: body, of: operation, status: 200, type: "application/json")
                #expect(faults == [])
            }
            #expect(
                try await test.call(.get, "/api/admin/market?industry=x").decode(
                    Page<MarketView>.self
                ).items.isEmpty)
            #expect(try await test.call(.get, own + "?cursor=eA").status == 400)
        }
    }
}

/// A clock that stands still.
private struct StoppedClock: WallClock {
    let instant: Timestamp

    func now() -> Timestamp { instant }
}

extension TestPlane {
    /// The rules at an instant.
    fileprivate func markets(at instant: String) -> Markets {
        Markets(
            store: MarketStore(pool: foundations.control),
            clock: StoppedClock(instant: Timestamp(rfc3339: instant)!))
    }

    /// A brand of the control database alone, which is all that a market sees of it.
    fileprivate func member(
        since: String, industry: String = "apparel", currency: String = "USD"
    ) async throws -> BrandID {
        let instant = Timestamp(rfc3339: since)!
        let (id, slug) = (BrandID(at: instant), try TestPlane.slug())
        try await foundations.control.run(
            """
            insert into brand (id, slug, name, industry, industry_since, country, time_zone, currency, plan,
                status, created_at, updated_at)
            values (\(id), \(slug), 'Member', \(industry), \(instant), 'US', 'UTC',
                \(currency), 'free', 'active', \(instant), \(instant))
            """)
        return id
    }

    fileprivate func leave(_ brand: BrandID) async throws {
        try await foundations.control.run(
            "update brand set industry = 'Toys', industry_since = now() where id = \(brand)")
    }

    /// The same figures on each day of a month.
    fileprivate func fill(_ brand: BrandID, _ month: String, revenue: Int) async throws {
        try await foundations.control.run(
            """
            insert into brand_metrics (id, brand_id, date, currency, revenue, customer_count, new_customers,
                order_count, order_value, active_customers, priced_orders, other_currencies, computed_at)
            select gen_random_uuid(), \(brand), date, currency, \(revenue), \(revenue), 0, 1, \(revenue),
                1, 1, '{}', now()
            from brand, generate_series(\(month)::date,
                (\(month)::date + interval '1 month - 1 day')::date, interval '1 day') as date
            where brand.id = \(brand)
            on conflict (brand_id, date) do update set revenue = excluded.revenue
            """)
    }

    fileprivate func told() async throws -> [MarketView] {
        try await call(.get, "/api/admin/market").decode(Page<MarketView>.self).items
    }

    fileprivate func lastCohort() async throws -> [BrandID] {
        try await foundations.control.run(
            "select cohort from market_publication where figures is not null order by month desc limit 1")[0]
            .decode([BrandID].self)
    }
}
