import Contract
import Kernel
import Logging

/// Looks at everything when somebody asks, each check by itself and for a limited time.
///
/// A check that hangs is a finding. Who asks meanwhile shares the look that goes on, so that however often
/// it is asked, each check runs once, and one that never ends is not begun a second time.
actor Checks {
    /// How long a check may take.
    static let limit = Duration.seconds(5)
    /// Checks that run at the same time, once it is known which parts answer: each takes a connection at
    /// most.
    static let lanes = 3
    /// Characters of an error that are told.
    private static let errorLength = 300

    private struct Outcome {
        let finding: Finding
        /// Whether what was looked at has answered, well or not.
        let hasAnswered: Bool
    }

    private struct Run {
        let task: Task<Void, Never>
        let begunAt: Timestamp
        var isOverdue = false
        var waiters: [UInt64: CheckedContinuation<Outcome, Never>] = [:]
    }

    nonisolated let all: [Check]
    private let clock: any WallClock
    private let pauses: any Clock<Duration>
    private let limit: Duration
    private let logger: Logger
    private var runs: [String: Run] = [:]
    private var lastWaiter: UInt64 = 0

    init(
        _ all: [Check], clock: any WallClock, pauses: any Clock<Duration> = ContinuousClock(),
        limit: Duration = limit, logger: Logger
    ) {
        self.all = all
        self.clock = clock
        self.pauses = pauses
        self.limit = limit
        self.logger = logger
    }

    /// What all checks find now, in their order. What stands on a part that does not answer is not looked
    /// at.
    func view() async -> CheckView {
        let begun = clock.now()
        let probes = all.filter { $0.probed != nil }
        var outcomes = await outcomes(of: probes, lanes: probes.count)
        let away = probes.filter { outcomes[$0.name]?.hasAnswered == false }.compactMap(\.probed)
        let rest = all.filter { $0.probed == nil && !$0.needs.contains(where: away.contains) }
        outcomes.merge(await self.outcomes(of: rest, lanes: Checks.lanes)) { $1 }
        return CheckView(
            checkedAt: begun,
            findings: all.map { check in
                outcomes[check.name]?.finding ?? skipped(check, without: check.needs.filter(away.contains))
            })
    }

    private func skipped(_ check: Check, without parts: [Check.Part]) -> Finding {
        let names = parts.map(\.rawValue).joined(separator: " and ")
        return Finding(check: check.name, status: .warning, seen: "not looked at, without \(names)")
    }

    private func outcomes(of checks: [Check], lanes: Int) async -> [String: Outcome] {
        await withTaskGroup(of: Outcome.self) { group in
            var waiting = checks[...]
            for check in waiting.prefix(lanes) { group.addTask { await self.outcome(of: check) } }
            waiting = waiting.dropFirst(lanes)
            var outcomes: [String: Outcome] = [:]
            for await outcome in group {
                outcomes[outcome.finding.check] = outcome
                if let next = waiting.popFirst() { group.addTask { await self.outcome(of: next) } }
            }
            return outcomes
        }
    }
}

// MARK: - One check

extension Checks {
    private func outcome(of check: Check) async -> Outcome {
        if let run = runs[check.name], run.isOverdue {
            return failure(of: check, "a look that began at \(run.begunAt) has not ended")
        }
        if runs[check.name] == nil { begin(check) }
        lastWaiter += 1
        let id = lastWaiter
        // Ends with this function: with the limit, or cancelled when the wait is over or its task is.
        async let _: Void = expire(id, check)
        return await withCheckedContinuation { runs[check.name]?.waiters[id] = $0 }
    }

    private func begin(_ check: Check) {
        let task = Task {
            let outcome: Outcome
            do {
                outcome = Outcome(finding: check.finding(try await check.look()), hasAnswered: true)
            } catch {
                outcome = failure(of: check, error)
            }
            end(check, with: outcome)
        }
        runs[check.name] = Run(task: task, begunAt: clock.now())
    }

    private func end(_ check: Check, with outcome: Outcome) {
        guard let run = runs.removeValue(forKey: check.name) else { return }
        for waiter in run.waiters.values {
            waiter.resume(returning: run.isOverdue ? overdue(check) : outcome)
        }
    }

    private func expire(_ id: UInt64, _ check: Check) async {
        try? await pauses.sleep(for: limit)
        guard let waiter = runs[check.name]?.waiters.removeValue(forKey: id) else { return }
        waiter.resume(returning: overdue(check))
        // Who does not want to know any more takes nothing from others who wait for the same.
        guard !Task.isCancelled else { return }
        runs[check.name]?.isOverdue = true
        runs[check.name]?.task.cancel()
    }

    private func overdue(_ check: Check) -> Outcome {
        failure(of: check, "no answer within \(limit.inWords)")
    }

    private func failure(of check: Check, _ error: any Error) -> Outcome {
        logger.warning("could not check: \(error)", metadata: ["check": "\(check.name)"])
        let text = "\(error)".prefix(Checks.errorLength).split(whereSeparator: \.isNewline)
        return failure(of: check, text.joined(separator: " "))
    }

    private func failure(of check: Check, _ text: String) -> Outcome {
        Outcome(finding: check.finding(.failed(text)), hasAnswered: false)
    }
}
