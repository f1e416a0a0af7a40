import Contract

extension BrandView {
    /// The brand as a person reads it.
    var description: Description {
        let brand: [(name: String, value: String?)] = [
            ("slug", slug.text), ("name", name), ("domain", domain), ("industry", industry),
            ("country", country), ("time zone", timeZone), ("currency", currency), ("plan", plan),
            ("status", status.rawValue), ("because", statusReason),
            ("trial ends", trialEndsAt?.description),
            ("purged", purgeAfter.map { "after \($0); until then it can be undeleted" }),
        ]
        return Description(
            brand + instance.fields + [("created", createdAt.description), ("id", id.description)])
    }
}

extension BrandView.Instance {
    /// What a person reads of it.
    var fields: [(name: String, value: String?)] {
        [
            ("instance", stateInWords), ("pid", pid.map(String.init)), ("restarts", String(restarts)),
            ("release", releaseInWords), ("paused", pausedReason), ("quarantine", quarantine?.inWords),
        ]
    }

    /// What is seen, and what is meant where it is something else.
    private var stateInWords: String {
        let runs = ["starting", "ready", "asleep"].contains(state)
        switch intent {
        case "running" where !runs: return "\(state), and meant to run"
        case "stopped" where state != "stopped": return "\(state), and meant to be stopped"
        default: return state
        }
    }

    private var releaseInWords: String? {
        guard release != nil || previousRelease != nil else { return nil }
        return (release ?? "the daemon's own") + (previousRelease.map { ", before it \($0)" } ?? "")
    }
}

extension BrandView.Quarantine {
    /// Since when it fails, why, and when it is tried again.
    fileprivate var inWords: String {
        let times = failures == 1 ? "failed once" : "failed \(grouped(Int64(failures))) times in a row"
        return "\(times), tried again at \(until): \(reason)"
    }
}
