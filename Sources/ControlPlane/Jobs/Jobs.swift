import Contract
import Kernel
import Logging
import Postgres

/// Runs jobs: when somebody asks, which may be a timer of the service manager, and in a loop where there is
/// none.
struct Jobs: Sendable {
    /// How often the loop looks for jobs that are due.
    static let period = Duration.seconds(60)

    let all: [Job]
    let store: JobStore
    let clock: any WallClock
    let logger: Logger

    /// Every job, with its last run.
    func list() async throws -> [JobView] {
        let runs = try await store.runs()
        return all.map { JobView($0, runs[$0.name]) }
    }

    /// The job of this name.
    ///
    /// - Throws: `Fault.notFound` that lists the names there are.
    func job(_ name: String, doing: String) throws(Fault) -> Job {
        guard let job = all.first(where: { $0.name == name }) else {
            let names = all.map(\.name).joined(separator: ", ")
            throw Fault(.notFound, doing: doing, "there is no job '\(name)'; there are \(names)")
        }
        return job
    }

    /// Does the job now and keeps what became of it, also when it fails; one run of a job at a time.
    func run(_ job: Job, in transaction: PostgresTransaction) async throws -> JobView {
        try await store.hold(job.name, in: transaction)
        var run = JobRun(startedAt: clock.now(), endedAt: clock.now(), counts: [:])
        do {
            run.counts = try await transaction.held(during: job.work)
        } catch {
            try Task.checkCancellation()
            logger.error("a job failed: \(error)", metadata: ["job": "\(job.name)"])
            run.error = (error as? Fault)?.detail ?? "it failed; the daemon's log says why"
        }
        run.endedAt = clock.now()
        try await store.note(run, of: job.name, in: transaction)
        return JobView(job, run)
    }

    /// Does what is due.
    func runDue() async throws {
        let runs = try await store.runs()
        for job in all {
            let now = clock.now()
            // A last run that lies ahead is a clock that was set back.
            if let last = runs[job.name]?.startedAt, last <= now, now - last < job.every { continue }
            _ = try await store.pool.transaction { try await run(job, in: $0) }
        }
    }
}

extension JobView {
    fileprivate init(_ job: Job, _ run: JobRun?) {
        self.init(
            name: job.name, summary: job.summary, everySeconds: Int(job.every.components.seconds),
            startedAt: run?.startedAt, endedAt: run?.endedAt, counts: run?.counts ?? [:], error: run?.error)
    }
}
