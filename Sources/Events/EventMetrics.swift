import CoreMetrics

/// What is measured of events, from the door to the tables. Whoever makes one records into the same series.
package struct EventMetrics: Sendable {
    /// Why events were not taken in, though nothing was wrong with them.
    enum Refusal: String, CaseIterable {
        /// The brand's plan allows no more of them at present.
        case plan
        /// As many wait as may.
        case full
        /// A disk is nearly full.
        case disk
        /// The stream could not be reached.
        case stream
    }

    /// What the names mean.
    package static let help = [
        "constintel_events_accepted_total": "Events that were made durable in the stream.",
        "constintel_events_rejected_total": "Events that were not acceptable as they were sent.",
        "constintel_intake_refusals_total": "Requests and parts of imports that there was no room for.",
        "constintel_events_committed_total":
            "Events that left the stream by a commit: new ones, and known ones, which change nothing.",
        "constintel_events_dead_lettered_total": "Events that could not be stored and are kept aside.",
        "constintel_events_replayed_total": "Events that were kept aside and put into the stream again.",
        "constintel_writer_batch_events": "Events in one transaction.",
        "constintel_writer_commit_duration_seconds": "Transactions that were committed.",
        "constintel_writer_failures_total": "Times that the writer failed and began again after a pause.",
    ]

    let accepted = Counter(label: "constintel_events_accepted_total")
    let rejected = Counter(label: "constintel_events_rejected_total")
    let new = Counter(label: "constintel_events_committed_total", dimensions: [("outcome", "new")])
    let known = Counter(label: "constintel_events_committed_total", dimensions: [("outcome", "known")])
    let deadLettered = Counter(label: "constintel_events_dead_lettered_total")
    let replayed = Counter(label: "constintel_events_replayed_total")
    let batchEvents = Recorder(label: "constintel_writer_batch_events", aggregate: true)
    let commitDuration = Timer(label: "constintel_writer_commit_duration_seconds")
    let failures = Counter(label: "constintel_writer_failures_total")
    private let refusals: [Refusal: Counter]

    init() {
        let counters = Refusal.allCases.map { reason in
            (
                reason,
                Counter(label: "constintel_intake_refusals_total", dimensions: [("reason", reason.rawValue)])
            )
        }
        refusals = Dictionary(uniqueKeysWithValues: counters)
    }

    func refuse(_ reason: Refusal) { refusals[reason]?.increment() }

    /// A batch of `events`, `new` of which were not known, took `duration` to commit.
    func commit(_ events: Int, new: Int, in duration: Duration) {
        batchEvents.record(events)
        commitDuration.recordSeconds(duration.inSeconds)
        self.new.increment(by: new)
        known.increment(by: events - new)
    }
}
