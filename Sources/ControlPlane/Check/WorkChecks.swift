import Contract
import Kernel
import Redis
import Supervision

/// Whether what is to be done is done: instances, their streams, operations and jobs.
struct WorkChecks: Sendable {
    let fleet: FleetCheckStore
    let redis: RedisClient
    let supervisor: any Supervisor
    let jobs: Jobs
    /// Whether timers of the service manager run the jobs.
    let isTimed: Bool
    let clock: any WallClock
    /// Since when this daemon runs.
    let since: Timestamp

    /// How long an instance may be on its way to serving or out.
    static let transition = Duration.seconds(60)
    /// Starts again that are told, when the last was within `restartPeriod`.
    static let restarts = 3
    static let restartPeriod = Duration.seconds(600)
    /// How long an event may wait for its commit, and how long is too long.
    static let wait = Duration.seconds(60)
    static let longestWait = Duration.seconds(600)
    /// Of a stream's limit, past which it is told.
    static let streamShare = 0.8
    /// How long an operation may take.
    static let operationTime = Duration.seconds(600)
    /// Streams that are asked for at once.
    private static let pageSize = 100

    var all: [Check] {
        [
            Check(
                name: "instances", needs: [.controlDatabase],
                remedy: "constintel instance logs <brand>; runbooks/instance-stuck.md, 'Find the cause'"
            ) {
                let brands = try await fleet.settledBrands()
                let statuses = await supervisor.statuses()
                let now = clock.now()
                let troubles = brands.compactMap {
                    WorkChecks.trouble($0, statuses[$0.slug.unitName], at: now)
                }
                return Seen(troubles, among: brands.count, "brand")
            },
            Check(name: "reconciling", needs: [.controlDatabase], remedy: "runbooks/quarantine.md") {
                let brands = try await fleet.settledBrands()
                return Seen(brands.compactMap(trouble), among: brands.count, "brand")
            },
            Check(
                name: "streams", needs: [.controlDatabase, .redis],
                remedy: "constintel instance logs <brand>: why does its writer not commit? runbooks/check.md"
            ) {
                try await streams()
            },
            Check(
                name: "dead letters", needs: [.controlDatabase, .redis],
                remedy: "constintel dead-letters list --brand <slug>; runbooks/dead-letters.md"
            ) {
                let brands = try await fleet.settledBrands()
                let counts = try await lengths(of: "dead", brands)
                let troubles = zip(brands, counts).filter { $1 > 0 }.map { brand, count in
                    Trouble.warning(brand.slug, counted(count, "event"))
                }
                return Seen(troubles, among: brands.count, "brand")
            },
            Check(
                name: "operations", needs: [.controlDatabase],
                remedy: "constintel operation show <id>, then the runbook that it names"
            ) {
                let open = try await fleet.openOperations()
                return Seen(open.compactMap(trouble), among: open.count, "open operation")
            },
            Check(
                name: "jobs", needs: [.controlDatabase],
                remedy: "constintel job run <job>; runbooks/jobs.md"
            ) {
                let runs = try await jobs.store.runs()
                let troubles = jobs.all.compactMap { trouble($0, runs[$0.name]) }
                return Seen(troubles, among: jobs.all.count, "job")
            },
        ]
    }
}

extension WorkChecks {
    /// What is wrong with a brand's instance, as its supervisor sees it at this moment.
    static func trouble(_ brand: CheckedBrand, _ unit: UnitStatus?, at now: Timestamp) -> Trouble? {
        // What an operator has paused is theirs.
        func trouble(_ what: String) -> Trouble {
            brand.pausedReason == nil
                ? .failed(brand.slug, what) : .warning(brand.slug, "\(what), and paused")
        }
        guard brand.isToRun else {
            guard let unit, unit.state != .stopped else { return nil }
            return trouble("\(unit.state.rawValue), and meant to be stopped")
        }
        guard let unit else { return trouble("not running, and meant to run") }
        let age = now - unit.since
        let exit = unit.lastExit.map { ", \($0)" } ?? ""
        switch unit.state {
        case .failed: return trouble("failed \(age.inWords) ago\(exit), \(counted(unit.restarts, "restart"))")
        case .stopped: return trouble("stopped, and meant to run")
        case .starting, .stopping:
            return age > WorkChecks.transition ? trouble("\(unit.state.rawValue) for \(age.inWords)") : nil
        case .ready, .asleep:
            guard unit.restarts >= WorkChecks.restarts, age < WorkChecks.restartPeriod else { return nil }
            return .warning(
                brand.slug, "started again \(unit.restarts) times, \(age.inWords) ago at last\(exit)")
        }
    }

    private func trouble(_ brand: CheckedBrand) -> Trouble? {
        let error = brand.error.map { ": \($0)" } ?? ""
        if let reason = brand.pausedReason { return .warning(brand.slug, "paused: \(reason)") }
        if brand.quarantinedUntil != nil {
            let times = counted(brand.failures, "time")
            return .failed(brand.slug, "quarantined, failed \(times) in a row\(error)")
        }
        guard brand.failures > 0 else { return nil }
        return .warning(brand.slug, "failed \(counted(brand.failures, "time"))\(error)")
    }

    private func streams() async throws -> Seen {
        let brands = try await fleet.settledBrands()
        let lengths = try await lengths(of: "events", brands)
        let filled = zip(brands, lengths).filter { $1 > 0 }
        let now = clock.now()
        var troubles: [Trouble] = []
        for (brand, length) in filled {
            let stream = RedisStream(redis, key: brand.slug.redisPrefix + "events")
            guard let oldest = try await stream.oldest(1).first, let at = WorkChecks.instant(oldest.id) else {
                continue
            }
            let age = now - at
            let text = "\(counted(length, "event")), the oldest since \(age.inWords)"
            let share = Double(length) / Double(brand.streamEntries)
            if !brand.isToRun {
                let state = brand.isDeleted ? "it is deleted" : "its instance is meant to be stopped"
                troubles.append(.warning(brand.slug, "\(text), and \(state)"))
            } else if age > WorkChecks.longestWait || share >= 1 {
                troubles.append(.failed(brand.slug, text))
            } else if age > WorkChecks.wait || share > WorkChecks.streamShare {
                troubles.append(.warning(brand.slug, text))
            }
        }
        return Seen(troubles, among: brands.count, "brand")
    }

    /// How many entries one stream of each brand has, asked for in a few requests.
    private func lengths(of stream: String, _ brands: [CheckedBrand]) async throws -> [Int64] {
        var lengths: [Int64] = []
        for start in stride(from: 0, to: brands.count, by: WorkChecks.pageSize) {
            let page = brands[start..<min(start + WorkChecks.pageSize, brands.count)]
            let commands = page.map { ["XLEN", $0.slug.redisPrefix + stream].map { Array($0.utf8) } }
            lengths += try await redis.pipeline(commands).map { reply in
                if case .error(let reason) = reply { throw RedisError.reply(reason) }
                return reply.integer ?? 0
            }
        }
        return lengths
    }

    /// When Redis took the entry of this id.
    static func instant(_ id: String) -> Timestamp? {
        id.split(separator: "-").first.flatMap { Int64($0) }.map { Timestamp(microseconds: $0 * 1000) }
    }

    private func trouble(_ operation: FleetCheckStore.OpenOperation) -> Trouble? {
        let name = "\(operation.kind) of '\(operation.subject)'"
        let age = clock.now() - operation.createdAt
        if operation.state == "stuck" {
            return .failed(name, "stuck, \(operation.id), \(operation.runbook)")
        }
        // How long a backup takes is told by its own check.
        guard age > WorkChecks.operationTime, !operation.subject.hasSuffix("/backup") else { return nil }
        let step = operation.step.map { " at \($0)" } ?? ""
        return .warning(name, "\(operation.state) for \(age.inWords)\(step), \(operation.id)")
    }

    private func trouble(_ job: Job, _ run: JobRun?) -> Trouble? {
        if let error = run?.error { return .failed(job.name, error) }
        // A run that is late is no alarm; one that was left out is.
        let due = (isTimed ? job.everyByTimer : job.every) * 2 + Jobs.period
        let age = clock.now() - (run?.startedAt ?? since)
        guard age > due else { return nil }
        let last = "it ran \(age.inWords) ago and is due every \(job.every.inWords)"
        return .failed(job.name, run == nil ? "it has never run" : last)
    }
}
