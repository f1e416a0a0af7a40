import Contract
import Kernel
import Postgres

/// A brand as its metrics are computed.
struct MeasuredBrand: Sendable {
    let id: BrandID
    let slug: Slug
    let timeZone: String
    let currency: String
    let createdAt: Timestamp
}

/// How far a brand's metrics have come, and what they were computed from.
struct MetricsRun: Sendable {
    /// The last day that was computed.
    let through: Day
    let timeZone: String
    let currency: String
    /// The events that counted then, and when the newest of all had been received.
    let events: Int64
    let receivedThrough: Timestamp?
    /// When the brand's schema was read, by the clock of its database.
    let readAt: Timestamp
}

/// What was read of a brand at one moment: figures of days that have ended.
struct BrandReading: Sendable {
    /// The first day; no days when it comes after `run.through`.
    let from: Day
    /// What is known of days from this one on is replaced by this reading.
    let replaced: Day
    let run: MetricsRun
    /// An array with an object for each day, by the columns of `brand_metrics`.
    let days: JSONB
    /// How many there are.
    let count: Int
}
