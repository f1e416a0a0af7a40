import Kernel

/// A job that is done again and again: an item of `GET /api/admin/jobs`, and the answer of
/// `POST /api/admin/jobs/:name/run`.
public struct JobView: Codable, Sendable, Equatable {
    public var name: String
    /// What it does, for people.
    public var summary: String
    /// How often it is due.
    public var everySeconds: Int
    /// When its last run began; absent before the first.
    public var startedAt: Timestamp?
    /// When its last run ended.
    public var endedAt: Timestamp?
    /// How many of what the last run has dealt with, such as `brands`.
    public var counts: [String: Int]
    /// What went wrong in the last run; absent when nothing did.
    public var error: String?

    public init(
        name: String, summary: String, everySeconds: Int, startedAt: Timestamp? = nil,
        endedAt: Timestamp? = nil, counts: [String: Int] = [:], error: String? = nil
    ) {
        self.name = name
        self.summary = summary
        self.everySeconds = everySeconds
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.counts = counts
        self.error = error
    }
}
