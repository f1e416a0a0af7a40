import Kernel

/// What systemd can be asked for. Names are whole unit names, such as `constintel-instance@acme.service`.
extension SystemdBus {
    /// What is done to a unit by a job.
    enum Verb: String, Sendable {
        case start = "StartUnit"
        case stop = "StopUnit"
        case restart = "RestartUnit"
        /// Restarts a unit that is active, and leaves others as they are.
        case tryRestart = "TryRestartUnit"

        var words: String {
            switch self {
            case .start: "start"
            case .stop: "stop"
            case .restart, .tryRestart: "restart"
            }
        }
    }

    /// How long a job may take before its caller stops waiting; the job itself goes on.
    static let jobLimit = Duration.seconds(120)

    /// Has the unit started, stopped or restarted, and returns when that has been done.
    ///
    /// A job that failed, was replaced by another or took too long is a fault that says so.
    func carryOut(_ verb: Verb, _ unit: String, within limit: Duration = jobLimit) async throws {
        jobs.begin()
        defer { jobs.end() }
        let job = try await queue(verb, unit)
        let result = try await finishing(of: job, doing: "\(verb.words) \(unit)", within: limit)
        guard result == "done" || result == "skipped" else {
            throw Fault(.unavailable, doing: "\(verb.words) \(unit)", JobBoard.words(result))
        }
    }

    /// Has systemd begin to start, stop or restart the unit; returns the job's path at once.
    @discardableResult
    func queue(_ verb: Verb, _ unit: String) async throws -> String {
        let doing = "\(verb.words) \(unit)"
        let answer = try await ask(BusCall(verb.rawValue, .text(unit), .text("replace")), doing: doing)
        guard let job = answer.first?.text else {
            throw Fault(.internal, doing: doing, "systemd's answer has no job")
        }
        return job
    }

    /// Has units started at boot. They are known to be so after the next `reload`.
    func enable(_ units: [String]) async throws {
        let call = BusCall("EnableUnitFiles", .texts(units), .flag(false), .flag(true))
        _ = try await ask(call, doing: "enable \(units.joined(separator: ", "))")
    }

    /// Has units no longer started at boot. Those that are not are left as they are.
    func disable(_ units: [String]) async throws {
        let call = BusCall("DisableUnitFiles", .texts(units), .flag(false))
        _ = try await ask(call, doing: "disable \(units.joined(separator: ", "))")
    }

    /// Takes back that units were masked, for good and until the next boot.
    func unmask(_ units: [String]) async throws {
        for isUntilBoot in [false, true] {
            let call = BusCall("UnmaskUnitFiles", .texts(units), .flag(isUntilBoot))
            _ = try await ask(call, doing: "unmask \(units.joined(separator: ", "))")
        }
    }

    /// Has systemd read all unit files anew, as they are at this call or later.
    ///
    /// Callers share a reload that has not begun yet: many brands that change together cost two.
    func reload() async throws {
        if let upcomingReload { return try await upcomingReload.value }
        let before = reloading
        let next = Task {
            _ = await before?.result
            reloading = upcomingReload
            upcomingReload = nil
            ownReloads += 1
            defer { ownReloads -= 1 }
            _ = try await ask(BusCall("Reload"), doing: "have systemd read its unit files")
        }
        upcomingReload = next
        try await next.value
    }

    /// Makes a failed unit an inactive one, and forgets how often it was started. Unknown units are fine.
    func resetFailed(_ unit: String) async throws {
        do {
            _ = try await ask(BusCall("ResetFailedUnit", .text(unit)), doing: "forget the failure of \(unit)")
        } catch let fault as Fault where fault.code == .notFound {}
    }

    /// Removes the state directory of a unit that is not active, whatever user's it was.
    func clean(_ unit: String) async throws {
        do {
            _ = try await ask(BusCall("CleanUnit", .text(unit), .texts(["state"])), doing: "clean \(unit)")
        } catch let fault as Fault where fault.code == .notFound {}
    }

    /// Sends a signal to the unit's main process.
    func kill(_ unit: String, _ signal: Int32) async throws {
        let call = BusCall("KillUnit", .text(unit), .text("main"), .signed(signal))
        _ = try await ask(call, doing: "send signal \(signal) to \(unit)")
    }

    /// What systemd knows of the unit, which it loads for that when it has to.
    func properties(of unit: String) async throws -> UnitProperties {
        let answer = try await ask(.properties(of: unit), doing: "look at \(unit)")
        return UnitProperties(answer.first?.dictionary ?? [:])
    }

    /// The loaded units whose names match one of the patterns.
    func units(matching patterns: [String]) async throws -> [ListedUnit] {
        let call = BusCall("ListUnitsByPatterns", .texts([]), .texts(patterns))
        let answer = try await ask(call, doing: "list units")
        return (answer.first?.list ?? []).compactMap { ListedUnit($0.list) }
    }

    private func ask(_ call: BusCall, doing: String) async throws -> [BusValue] {
        do {
            return try await self.call(call)
        } catch let error as BusError {
            throw error.fault(doing: doing)
        }
    }
}

// MARK: - Jobs

extension SystemdBus {
    private func finishing(of job: String, doing: String, within limit: Duration) async throws -> String {
        if let result = jobs.result(of: job) { return result }
        let waiter = jobs.newWaiter()
        let late = Task {
            do { try await Task.sleep(for: limit) } catch { return }
            let reason = Fault(.unavailable, doing: doing, "systemd's job was not over after \(limit)")
            jobs.leave(waiter, because: reason)
        }
        defer { late.cancel() }
        do {
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { jobs.wait(waiter, for: job, $0) }
            } onCancel: {
                submit { $0.jobs.leave(waiter, because: CancellationError()) }
            }
        } catch let error as BusError {
            throw error.fault(doing: doing)
        }
    }
}

/// Which jobs have ended how, and who waits for which.
///
/// A job may be over before its starter has read its name: so results are kept as long as anybody is between
/// asking for a job and waiting for it.
struct JobBoard {
    typealias Waiter = CheckedContinuation<String, any Error>

    /// Results that are kept for those who have not read their job's name yet.
    private static let maximumResults = 10_000

    private var isBetween = 0
    private var results: [String: String] = [:]
    private var waiters: [Int: (job: String, waiter: Waiter)] = [:]
    private var left: Set<Int> = []
    private var count = 0

    mutating func begin() { isBetween += 1 }

    mutating func end() {
        isBetween -= 1
        if isBetween == 0 { (results, left) = ([:], []) }
    }

    mutating func newWaiter() -> Int {
        count += 1
        return count
    }

    func result(of job: String) -> String? { results[job] }

    mutating func wait(_ number: Int, for job: String, _ waiter: Waiter) {
        if let result = results[job] { return waiter.resume(returning: result) }
        if left.contains(number) { return waiter.resume(throwing: CancellationError()) }
        waiters[number] = (job, waiter)
    }

    mutating func finish(_ job: String, _ result: String) {
        guard isBetween > 0 else { return }
        // Only who has asked and not yet waited misses what is dropped, and its wait has a limit.
        if results.count >= JobBoard.maximumResults { results = [:] }
        results[job] = result
        for (number, entry) in waiters where entry.job == job {
            waiters[number] = nil
            entry.waiter.resume(returning: result)
        }
    }

    /// Ends one wait. One that has not begun yet ends when it does.
    mutating func leave(_ number: Int, because reason: any Error) {
        guard let entry = waiters.removeValue(forKey: number) else {
            left.insert(number)
            return
        }
        entry.waiter.resume(throwing: reason)
    }

    mutating func fail(_ reason: BusError) {
        let waiting = waiters.values
        (waiters, results) = ([:], [:])
        for entry in waiting { entry.waiter.resume(throwing: reason) }
    }

    /// For people: what the result of a job means.
    static func words(_ result: String) -> String {
        switch result {
        case "canceled": "it was called off by another job"
        case "timeout": "it took longer than its unit allows"
        case "failed": "it failed"
        case "dependency": "a unit that it needs has failed"
        default: "systemd's job ended as '\(result)'"
        }
    }
}
