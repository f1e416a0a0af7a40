import Kernel
import Logging
import Postgres

/// Replaces months of raw events that a brand does not keep any more by checkpoints: what folding the brand
/// again needs of them, and nothing more (`durability.md`, "Retention").
///
/// It works in the brands database alone, so a brand that sleeps sleeps on. Each month is a transaction of
/// its own behind one that prepares it; killed anywhere, it does the rest next time.
struct Retention: Sendable {
    let instances: Instances
    let logger: Logger

    /// How often a month is prepared in a run, when events of it go on arriving meanwhile.
    private static let preparations = 2
    /// How often a run waits for locks, each time for seconds.
    private static let patience = 3

    /// What came of one brand.
    private struct Outcome {
        var months = 0
        var rows: Int64 = 0
    }

    /// Folds every month that is due, of every brand that says how long it keeps events.
    ///
    /// - Throws: `Fault.unavailable` when a brand failed, after all others were done.
    func run() async throws -> [String: Int] {
        var counts = ["brands": 0, "months": 0, "rows": 0, "failed": 0]
        for (slug, cutoff) in try await due() {
            counts["brands", default: 0] += 1
            do {
                let outcome = try await fold(slug, receivedBefore: cutoff)
                counts["months", default: 0] += outcome.months
                counts["rows", default: 0] += Int(outcome.rows)
            } catch {
                try Task.checkCancellation()
                counts["failed", default: 0] += 1
                logger.warning(
                    "could not fold a brand's old events: \(error)", metadata: ["brand": "\(slug)"])
            }
        }
        if let failed = counts["failed"], failed > 0 {
            throw Fault(
                .unavailable, doing: "fold old events",
                "\(failed) of \(counts["brands"] ?? 0) brands failed; the daemon's log says which")
        }
        return counts
    }

    /// The months that a run would fold now.
    func plan() async throws -> [(target: String, action: String)] {
        var effects: [(target: String, action: String)] = []
        for (slug, cutoff) in try await due() {
            for month in try await tenants.monthsToFold(slug, receivedBefore: cutoff) {
                let (rows, size) = try await tenants.size(of: month, slug)
                effects.append(
                    (
                        "brands database",
                        "replace \(slug.schemaName).\(month.table) by its checkpoint: "
                            + "\(rows) rows, \(size)"
                    ))
            }
        }
        return effects
    }

    private var tenants: TenantStore { instances.tenants }

    /// The brands that keep events for a time, each with the instant before which it keeps none.
    private func due() async throws -> [(slug: Slug, cutoff: Timestamp)] {
        var due: [(slug: Slug, cutoff: Timestamp)] = []
        var cursor = ""
        while true {
            let page = try await instances.store.settled(after: cursor, limit: 100)
            guard let last = page.last else { return due }
            cursor = last.slug.text
            for instance in page where instance.status != .deleted {
                guard let kept = instance.keepsEventsFor else { continue }
                due.append((instance.slug, tenants.clock.now() - kept))
            }
        }
    }

    private func fold(_ slug: Slug, receivedBefore cutoff: Timestamp) async throws -> Outcome {
        var outcome = Outcome()
        for month in try await tenants.monthsToFold(slug, receivedBefore: cutoff) {
            outcome.rows += try await fold(month, of: slug)
            outcome.months += 1
        }
        try await tenants.sweepBehindCheckpoint(slug)
        return outcome
    }

    /// Gives how many rows have gone.
    private func fold(_ month: TenantStore.Month, of slug: Slug) async throws -> Int64 {
        for _ in 0..<Retention.preparations {
            let made = try await tenants.makeCheckpoint(of: month, slug)
            if try await adopt(made, of: month, slug) { return made.events - made.rows }
        }
        throw Fault(
            .unavailable, doing: "fold \(month.table)",
            "events of that month go on arriving; it is tried again next time")
    }

    private func adopt(
        _ made: TenantStore.Checkpoint, of month: TenantStore.Month, _ slug: Slug
    ) async throws -> Bool {
        for attempt in 1... {
            do {
                return try await tenants.adopt(made, of: month, slug)
            } catch let error as PostgresError
                where attempt < Retention.patience && TenantStore.isBusy(error)
            {
                logger.info("a brand is busy; its old events wait", metadata: ["brand": "\(slug)"])
            }
        }
        return false
    }
}
