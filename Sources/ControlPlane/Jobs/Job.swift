import Kernel

/// One thing that is done again and again for the whole installation. Doing it too often is harmless.
struct Job: Sendable {
    /// A word, which under systemd is a timer's too: `constintel-job@<name>.timer`.
    let name: String
    /// Finishes "The job …" for people.
    let summary: String
    /// How often it is due where no timer says so.
    let every: Duration
    /// How often timers of the service manager do it (`infra/setup-production.sh`).
    var everyByTimer: Duration = .seconds(3600)
    /// What it would do now, where that can be told beforehand: targets and what is done there.
    var plan: (@Sendable () async throws -> [(target: String, action: String)])?
    /// Does it, and tells how many of what it has dealt with.
    let work: @Sendable () async throws -> [String: Int]
}

/// What is known of a job's last run.
struct JobRun: Sendable {
    var startedAt: Timestamp
    var endedAt: Timestamp
    var counts: [String: Int]
    var error: String?
}
