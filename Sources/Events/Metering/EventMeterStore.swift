import Contract
import Kernel
import Postgres

/// The table `event_meter`: how many events were received in each quarter of an hour, kept in the transaction
/// that commits them. Any time zone's months are made of whole quarters.
public struct EventMeterStore: Sendable {
    public init() {}

    /// Counts the events of a batch, which are all new.
    func count(_ events: [PlacedEvent], in transaction: PostgresTransaction) async throws {
        try await transaction.run(
            """
            insert into event_meter (quarter, events, test_events)
            select date_bin('15 minutes', received_at, timestamptz 'epoch') as quarter,
                count(*) filter (where not test), count(*) filter (where test)
            from unnest(\(events.map(\.event.receivedAt)), \(events.map(\.event.isTest)))
                as event (received_at, test)
            group by quarter order by quarter
            on conflict (quarter) do update set events = event_meter.events + excluded.events,
                test_events = event_meter.test_events + excluded.test_events
            """)
    }

    /// What was used in the month of `timeZone` that `instant` lies in.
    public func usage(
        at instant: Timestamp, timeZone: String, on database: some PostgresRunner
    ) async throws -> EventUsage {
        let rows = try await database.run(
            """
            select month_start, month_end, used.events, used.test_events, profiles
            from month_usage(\(instant), \(timeZone)) as used cross join brand_totals
            """)
        guard let row = rows.first else {
            throw Fault(.internal, doing: "read the meter", "the database has given no row")
        }
        let (start, stop, events, testEvents, profiles) = try row.decode(
            (Timestamp, Timestamp, Int64, Int64, Int64).self)
        return EventUsage(
            month: start..<stop, events: Int(events), testEvents: Int(testEvents), profiles: Int(profiles))
    }
}
