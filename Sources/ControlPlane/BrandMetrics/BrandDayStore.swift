import Contract
import Kernel
import Postgres

/// Computes the figures of a brand's days from its raw events, orders and profiles, in its schema and as its
/// owner role. It only reads, and the brand's instance may sleep on.
///
/// All of one reading is of one moment. Between two readings the days that may have changed are found by what
/// changes days: events received since, the other versions of the orders among them, and who is who.
struct BrandDayStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    /// How far before or after it a sign-in can move what others did on the same device (`identity.md`).
    private static let signInReach = Duration.seconds(30 * 86_400)

    /// How long the longest transaction of an instance may take to commit what it dated at its beginning.
    private static let longestTransaction = Duration.seconds(3600)

    /// Before every instant that an event may happen at (`EventLimits.earliest`).
    private static let dawn = Day(utc: Timestamp(microseconds: -2_212_000_000_000_000))

    /// Reads the figures of the days that may have changed since `last`, and of those that have ended since.
    ///
    /// - Parameters:
    ///   - last: nil to read every day.
    ///   - day: the days from this one on are read as well, whatever is known of them.
    func read(_ brand: MeasuredBrand, since last: MetricsRun?, from day: Day? = nil) async throws
        -> BrandReading
    {
        try await pool.transaction(.snapshot) { transaction in
            try await transaction.run(all: [
                "set local role \(identifier: brand.slug.ownerRole)",
                "set local search_path = \(identifier: brand.slug.schemaName)",
                "set local statement_timeout = '30min'",
                // Compiling for each partition takes longer than reading them.
                "set local jit = off",
            ])
            let (run, first) = try await state(brand, in: transaction)
            let asked = try await reach(brand, since: last, asked: day, now: run, in: transaction)
            let replaced = max(asked ?? BrandDayStore.dawn, try await firstWholeDay(brand, in: transaction))
            let reported = max(replaced, first)
            let (days, count) = try await days(
                brand, from: replaced, through: run.through, in: transaction)
            return BrandReading(from: reported, replaced: replaced, run: run, days: days, count: count)
        }
    }

    /// How the brand stands, and the first day that anything is known of: that of its making, or of the
    /// earliest thing that happened.
    private func state(
        _ brand: MeasuredBrand, in transaction: PostgresTransaction
    ) async throws -> (MetricsRun, first: Day) {
        let row = try await transaction.run(
            """
            select (\(clock.now())::timestamptz at time zone \(brand.timeZone))::date - 1,
                coalesce((select events from brand_totals), 0), now(),
                (select max(created_at) from customer_raw_event),
                (least(\(brand.createdAt)::timestamptz,
                    (select min(occurred_at) from customer_raw_event where not test),
                    (select min(ordered_at) from customer_order),
                    (select min(first_seen_at) from customer_profile)) at time zone \(brand.timeZone))::date
            """)[0]
        let (through, events, readAt, received, first) = try row.decode(
            (Timestamp, Int64, Timestamp, Timestamp?, Timestamp).self)
        let run = MetricsRun(
            through: Day(utc: through), timeZone: brand.timeZone, currency: brand.currency, events: events,
            receivedThrough: received, readAt: readAt)
        return (run, Day(utc: first))
    }

    /// The first day of which no event is folded: of those before it, what was computed is final. Nothing
    /// happens more than a day after it was received.
    private func firstWholeDay(
        _ brand: MeasuredBrand, in transaction: PostgresTransaction
    ) async throws -> Day {
        let rows = try await transaction.run(
            """
            select ((received_before + interval '1 day') at time zone \(brand.timeZone))::date + 1
            from fold_checkpoint where received_before > '-infinity'
            """)
        return try rows.first.map { Day(utc: try $0.decode(0, as: Timestamp.self)) } ?? BrandDayStore.dawn
    }

    /// From which day on something may have changed since `last`; nil when that may be any day.
    ///
    /// An event is committed after it was received, sometimes long after. So the events received since must
    /// be as many as there are more than last time; when they are not, some came behind, and any day may have
    /// changed.
    private func reach(
        _ brand: MeasuredBrand, since last: MetricsRun?, asked: Day?, now: MetricsRun,
        in transaction: PostgresTransaction
    ) async throws -> Day? {
        guard let last, last.timeZone == brand.timeZone, last.currency == brand.currency else { return nil }
        let received = last.receivedThrough ?? Timestamp(microseconds: 0)
        let recorded = last.readAt - BrandDayStore.longestTransaction
        let (count, isRedecided, earliest) = try await transaction.run(
            """
            with new as (
                select occurred_at, event_type, source, payload #>> '{properties,orderId}' as order_id
                from customer_raw_event where created_at > \(received) and not test
            ), sold as (
                select min(o.ordered_at) as first
                from (select distinct source, order_id from new
                    where event_type in ('purchase', 'refund', 'cancellation')) n
                join customer_order o on o.known_by = 'order' and o.source = n.source
                    and o.order_id = n.order_id
            ), merged as (
                select min(p.first_seen_at) as first
                from merge_history m
                join customer_profile p on p.id in (m.base_profile_id, m.merged_profile_id)
                where m.created_at > \(recorded)
            )
            select (select count(*) from new),
                exists (select from identity_decision
                    where created_at > \(recorded) and kind not in ('hold', 'reject')),
                (least(
                    (select min(occurred_at) from new) - \(BrandDayStore.signInReach)::interval,
                    (select first from sold), (select first from merged),
                    (select min(day)::timestamp at time zone 'UTC' from currency_rate
                        where updated_at > \(recorded)))
                    at time zone \(brand.timeZone))::date
            """)[0].decode((Int64, Bool, Timestamp?).self)
        guard !isRedecided, count == now.events - last.events else { return nil }
        let days = [last.through.adding(days: 1), earliest.map { Day(utc: $0) }, asked]
        return days.compactMap(\.self).min()
    }
}

// The figures.
extension BrandDayStore {
    /// The statement that computes a figure, of the row that a day has in `days`; nil where there is no
    /// source. Amounts are texts, which JSON keeps exact.
    static func expression(of metric: BrandMetric) -> SQL? {
        switch metric {
        case .revenue, .orderValue: "value::text"
        case .revenueGrowth:
            "case when value_before > 0 then ((value - value_before) / value_before)::float8 end"
        case .customerCount: "customers"
        case .newCustomers: "new"
        case .orderCount: "orders"
        case .avgOrderValue: "case when priced > 0 then round(value / priced, 4)::text end"
        case .activeCustomers: "active"
        case .mrr, .churnRate, .engagementScore, .retentionRate, .mlImpactScore, .churnReduction,
            .ltvIncrease, .usageScore, .apiCalls, .featuresUsed, .performanceScore, .trend, .previousScore:
            nil
        }
    }

    /// The figures as members of a day's object.
    private static let members: SQL = BrandMetric.allCases.reduce("") { members, metric in
        guard let expression = expression(of: metric) else { return members }
        return members + ", \(literal: metric.column), \(expression)"
    }

    /// The days from `from` to `through`: each since the brand was made, and before that those on which
    /// something happened, since an imported history may go back for decades.
    private func days(
        _ brand: MeasuredBrand, from: Day, through: Day, in transaction: PostgresTransaction
    ) async throws -> (JSONB, count: Int) {
        guard from <= through else { return (JSONB("[]"), 0) }
        let zone = brand.timeZone
        let last = through.description
        return try await transaction.run(
            """
            with \(sources(brand, from: from, through: through)), listed as (
                select date from seen union select date from sold union select date from met
                union select generate_series(
                    (\(brand.createdAt)::timestamptz at time zone \(zone))::date::timestamp,
                    \(last)::date::timestamp, interval '1 day')::date
            ), days as (
                select listed.date, coalesce(active, 0) as active, coalesce(new, 0) as new,
                    (sum(coalesce(new, 0)) over (order by listed.date))::bigint as customers,
                    coalesce(sold.orders, 0) as orders, coalesce(sold.priced, 0) as priced,
                    coalesce(sold.value, 0) as value, coalesce(sold.others, '{}') as others,
                    coalesce(before.value, 0) as value_before
                from listed left join seen using (date) left join met using (date)
                    left join sold using (date) left join sold before on before.date = listed.date - 1
            )
            select coalesce(jsonb_agg(jsonb_build_object('date', date, 'priced_orders', priced,
                'other_currencies', others\(BrandDayStore.members)) order by date), '[]'), count(*)
            from days where date between \(from.description)::date and \(last)::date
            """)[0].decode((JSONB, Int).self)
    }

    /// What of a day comes from events (`seen`), from orders (`sold`) and from profiles (`met`).
    ///
    /// Nothing happens more than a day after it was received, which spares the partitions before that.
    private func sources(_ brand: MeasuredBrand, from: Day, through: Day) -> SQL {
        let zone = brand.timeZone
        let starts: SQL = "(\(from.description)::date::timestamp at time zone \(zone))"
        let ends: SQL = "((\(through.description)::date + 1)::timestamp at time zone \(zone))"
        return """
            seen as (
                select date, count(*) as active
                from (select distinct (occurred_at at time zone \(zone))::date as date, customer_profile_id
                    from customer_raw_event
                    where occurred_at >= \(starts) and occurred_at < \(ends)
                        and created_at >= \(starts) - interval '2 days'
                        and not test and customer_profile_id is not null) as sighting
                group by date
            ), ordered as (
                select (ordered_at at time zone \(zone))::date as date, currency,
                    count(*) filter (where not is_cancelled) as orders,
                    count(*) filter (where not is_cancelled and rate is not null) as priced,
                    count(*) filter (where not is_cancelled and rate is null) as others,
                    coalesce(sum(brand_value), 0) as worth,
                    coalesce(sum(value) filter (where rate is null), 0) as other_value
                from customer_order
                where ordered_at >= \(starts) - interval '2 days' and ordered_at < \(ends) group by 1, 2
            ), sold as (
                select date, sum(orders)::bigint as orders, sum(priced)::bigint as priced,
                    sum(worth) as value,
                    coalesce(jsonb_object_agg(
                        currency, round(other_value, greatest(2, min_scale(other_value)))::text)
                        filter (where others > 0), '{}') as others
                from ordered group by date
            ), met as (
                select (first_seen_at at time zone \(zone))::date as date, count(*) as new
                from customer_profile where first_seen_at < \(ends) group by 1
            )
            """
    }
}
