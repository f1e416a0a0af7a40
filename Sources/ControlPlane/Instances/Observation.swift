import Contract
import Kernel
import Supervision
import Workflow

/// What was last seen of a brand's instance, and how bringing it to what is meant goes. Never what is meant.
struct Observation: Sendable, Equatable {
    /// The supervisor's word for it; `unknown` before there was one.
    var state = "unknown"
    var pid: Int32?
    var restarts = 0
    /// The revision that the brand's schema is known to have; 0 when that is not known.
    var projectedRevision: Int64 = 0
    /// Failed attempts in a row.
    var failures = 0
    /// Why the last attempt failed.
    var error: String?
    /// Until when the brand is left alone for its failures.
    var quarantinedUntil: Timestamp?

    /// Characters of an error that are kept.
    static let errorLength = 500

    /// Whether the brand is left alone at this moment.
    func isQuarantined(at now: Timestamp) -> Bool { quarantinedUntil.map { $0 > now } ?? false }

    /// The same with what the supervisor says now; nil when it knows no such unit, which is then `absent`.
    func seeing(_ status: UnitStatus?, absent: String) -> Observation {
        var seen = self
        seen.state = status?.state.rawValue ?? absent
        seen.pid = status?.pid
        seen.restarts = status?.restarts ?? 0
        return seen
    }

    /// The same after one more failure.
    func failing(_ error: any Error, at now: Timestamp, by rule: Quarantine) -> Observation {
        var failed = self
        // The column's type is the limit.
        failed.failures = min(failures + 1, Int(Int32.max))
        failed.error = String(String(describing: error).prefix(Observation.errorLength))
        failed.quarantinedUntil = rule.pause(after: failed.failures).map { now + $0 }
        return failed
    }

    /// The same after a success, with the revision that the schema has now.
    func succeeding(projected revision: Int64) -> Observation {
        var settled = self
        settled.projectedRevision = revision
        settled.failures = 0
        settled.error = nil
        settled.quarantinedUntil = nil
        return settled
    }
}

/// A brand that the reconciler may look after, as the control database has it at one moment.
struct Outlook: Sendable {
    let brand: BrandID
    let slug: Slug
    let status: String
    let intent: Instance.Intent
    let revision: Int64
    /// Why the brand is left alone; nil when it is not.
    let pausedReason: String?
    /// Another number when anything is meant otherwise than before.
    let fingerprint: Int64
    /// Nil before anything was seen.
    let observation: Observation?

    /// Deleted brands keep all they have, and are neither running nor known to the edge.
    var isDeleted: Bool { status == "deleted" }
    /// Whether a process is meant to run.
    var isToRun: Bool { intent == .running && !isDeleted }
    /// What was seen last, or nothing.
    var seen: Observation { observation ?? Observation() }
}
