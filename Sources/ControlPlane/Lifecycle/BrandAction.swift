import Contract
import Kernel
import Workflow

/// One thing that can be done to a brand: what it is called, when it may be done, and what it changes of what
/// is meant. Pure; `LifecycleSagas` makes an operation of it.
struct BrandAction: Sendable {
    /// What follows the change of intent, each idempotent.
    enum Consequence: String, Sendable {
        /// The brand's schema is told.
        case project
        /// The runtime role's connections follow the plan.
        case limitConnections
        /// The process runs, with its present configuration, or does not.
        case run
        /// The process leaves and another takes its place.
        case restart
        /// The process serves, where one is meant to.
        case awaitReady
    }

    /// `brand.suspend`.
    let kind: String
    /// Finishes "could not …".
    let doing: String
    let runbook: String
    let consequences: [Consequence]
    /// - Throws: `Fault.conflict` when the brand is not in a state for it.
    let check: @Sendable (BrandIntent) throws(Fault) -> Void
    /// What is meant afterwards; the input was checked when the operation was asked for.
    let change: @Sendable (inout BrandIntent, Step.Output) -> Void

    /// A brand that is not deleted.
    private static func alive(_ doing: String) -> @Sendable (BrandIntent) throws(Fault) -> Void {
        { intent throws(Fault) in
            guard intent.status != .deleted else {
                throw Fault(.conflict, doing: doing, "the brand is deleted; undelete it first")
            }
        }
    }

    private static func conflict(_ doing: String, _ detail: String) -> Fault {
        Fault(.conflict, doing: doing, detail)
    }

    private static let changeRunbook = "runbooks/brand-change-stuck.md"
    private static let deleteRunbook = "runbooks/brand-delete-stuck.md"
    private static let instanceRunbook = "runbooks/instance-stuck.md"
}

extension BrandAction {
    /// The settings are the input's `settings`, as they were worked out when the change was asked for.
    static let update = BrandAction(
        kind: "brand.update", doing: "change the brand", runbook: changeRunbook, consequences: [.project],
        check: alive("change the brand")
    ) { intent, input in
        guard let settings = input["settings"].flatMap(BrandSettings.init(text:)),
            settings != intent.settings
        else { return }
        intent.settings = settings
        intent.settingsVersion += 1
    }

    /// Keys are refused with the reason; the process runs on.
    static let suspend = BrandAction(
        kind: "brand.suspend", doing: "suspend the brand", runbook: changeRunbook, consequences: [.project],
        check: { intent throws(Fault) in
            try alive("suspend the brand")(intent)
            guard intent.status != .suspended else {
                throw conflict("suspend the brand", "it is suspended already")
            }
        }
    ) { intent, input in
        intent.resumesAs = intent.status
        intent.status = .suspended
        intent.statusReason = input["reason"]
    }

    static let resume = BrandAction(
        kind: "brand.resume", doing: "resume the brand", runbook: changeRunbook, consequences: [.project],
        check: { intent throws(Fault) in
            guard intent.status == .suspended else {
                throw conflict("resume the brand", "it is not suspended but \(intent.status.rawValue)")
            }
        }
    ) { intent, _ in
        intent.status = intent.resumesAs ?? .active
        intent.resumesAs = nil
        intent.statusReason = nil
    }

    /// The input's `initialStatus` is what the plan makes of a brand.
    static let changePlan = BrandAction(
        kind: "brand.changePlan", doing: "change the brand's plan", runbook: changeRunbook,
        consequences: [.limitConnections, .project, .run, .awaitReady],
        check: alive("change the brand's plan")
    ) { intent, input in
        guard let plan = input["plan"] else { return }
        intent.plan = plan
        let status = input["initialStatus"].flatMap(BrandView.Status.init(rawValue:))
        if status == .trial, intent.trialEndsAt == nil {
            intent.trialEndsAt = input["trialEndsAt"].flatMap { Timestamp(rfc3339: $0) }
        }
        let hasOutgrownItsTrial = status == .active && intent.statusReason == trialEnded
        if intent.status == .suspended, !hasOutgrownItsTrial {
            intent.resumesAs = status
        } else {
            intent.status = status ?? .active
            intent.statusReason = nil
            intent.resumesAs = nil
        }
    }

    /// Why a brand is suspended whose trial has ended.
    static let trialEnded = "the trial has ended"

    /// The trial ends at the input's `trialEndsAt`; one that has ended begins again.
    static let extendTrial = BrandAction(
        kind: "brand.extendTrial", doing: "extend the brand's trial", runbook: changeRunbook,
        consequences: [.project],
        check: { intent throws(Fault) in
            try alive("extend the brand's trial")(intent)
            guard intent.status == .trial || intent.resumesAs == .trial else {
                throw conflict("extend the brand's trial", "it is not on trial but \(intent.status.rawValue)")
            }
        }
    ) { intent, input in
        intent.trialEndsAt = input["trialEndsAt"].flatMap { Timestamp(rfc3339: $0) }
        guard intent.status == .suspended, intent.statusReason == trialEnded else { return }
        intent.status = .trial
        intent.statusReason = nil
        intent.resumesAs = nil
    }

    /// Everything is kept until the input's `purgeAfter`; nothing runs meanwhile.
    static let delete = BrandAction(
        kind: "brand.delete", doing: "delete the brand", runbook: deleteRunbook,
        consequences: [.project, .run],
        check: { intent throws(Fault) in
            guard intent.status != .deleted else {
                throw conflict("delete the brand", "it is deleted already")
            }
        }
    ) { intent, input in
        intent.statusBefore = intent.status
        intent.status = .deleted
        intent.purgeAfter = input["purgeAfter"].flatMap { Timestamp(rfc3339: $0) }
    }

    static let undelete = BrandAction(
        kind: "brand.undelete", doing: "undelete the brand", runbook: deleteRunbook,
        consequences: [.project, .run, .awaitReady],
        check: { intent throws(Fault) in
            guard intent.status == .deleted else {
                throw conflict("undelete the brand", "it is not deleted but \(intent.status.rawValue)")
            }
        }
    ) { intent, _ in
        intent.status = intent.statusBefore ?? .active
        intent.statusBefore = nil
        intent.purgeAfter = nil
    }
}

extension BrandAction {
    static let start = BrandAction(
        kind: "instance.start", doing: "start the instance", runbook: instanceRunbook,
        consequences: [.run, .awaitReady], check: alive("start the instance")
    ) { intent, _ in intent.instance = .running }

    static let stop = BrandAction(
        kind: "instance.stop", doing: "stop the instance", runbook: instanceRunbook, consequences: [.run],
        check: alive("stop the instance")
    ) { intent, _ in intent.instance = .stopped }

    static let restart = BrandAction(
        kind: "instance.restart", doing: "restart the instance", runbook: instanceRunbook,
        consequences: [.run, .restart, .awaitReady],
        check: { intent throws(Fault) in
            try alive("restart the instance")(intent)
            guard intent.instance == .running else {
                throw conflict("restart the instance", "it is stopped; start it")
            }
        }
    ) { _, _ in }

    /// The input's `release`, empty for the daemon's own, serves the brand from now on.
    static let upgrade = BrandAction(
        kind: "instance.upgrade", doing: "upgrade the instance", runbook: instanceRunbook,
        consequences: [.run, .awaitReady], check: alive("upgrade the instance")
    ) { intent, input in
        let release = input["release"].flatMap { $0.isEmpty ? nil : $0 }
        guard release != intent.release else { return }
        intent.previousRelease = intent.release
        intent.release = release
    }

    /// The release before the present one serves the brand again.
    static let rollBack = BrandAction(
        kind: "instance.rollback", doing: "roll the instance back", runbook: instanceRunbook,
        consequences: [.run, .awaitReady],
        check: { intent throws(Fault) in
            try alive("roll the instance back")(intent)
            guard intent.release != intent.previousRelease else {
                throw conflict("roll the instance back", "no other release has served this brand")
            }
        }
    ) { intent, _ in swap(&intent.release, &intent.previousRelease) }

    /// Every action; the executor's registry and the crash matrix are made from it.
    static let all = [
        update, suspend, resume, changePlan, extendTrial, delete, undelete, start, stop, restart, upgrade,
        rollBack,
    ]
}
