/// What the server owes: requests that were sent and not yet answered, in order, each of some statements and
/// one sync.
///
/// Pure: it is told what arrives and says which request that completes. The rules are those of "Pipeline
/// Mode" in libpq's manual: one result for each statement, after a failure the rest of the request is
/// skipped, and the sync always comes.
struct Pipeline<Waiter, Rows> {
    /// One thing that was sent, and so one result to come.
    enum Step {
        /// A preparation under this number in the statement cache.
        case preparation(Int)
        /// A statement, and its number if it was a prepared one.
        case statement(Int?)
    }

    enum Reply {
        case rows(Rows)
        case failure(PostgresError)
        /// Not run, since a statement before it in its request failed.
        case skipped
        case sync
    }

    /// What a reply means to the owner.
    enum Event {
        case nothing
        case prepared(Int)
        /// The statement cache's entry is of no use: the preparation failed, or the statement went stale.
        case forget(Int)
        case completed(Waiter, Result<[Rows], PostgresError>)
        /// The reply fits no request; nothing more can be understood.
        case confused
    }

    private struct Request {
        let id: UInt64
        let steps: [Step]
        let waiter: Waiter
        var answered = 0
        var rows: [Rows] = []
        var failure: PostgresError?
    }

    private var requests = Queue<Request>()

    var isEmpty: Bool { requests.isEmpty }
    var count: Int { requests.count }
    /// The one the server works on.
    var first: UInt64? { requests.first?.id }
    /// The one that was sent last.
    var last: UInt64? { requests.last?.id }

    mutating func append(_ id: UInt64, _ steps: [Step], _ waiter: Waiter) {
        requests.append(Request(id: id, steps: steps, waiter: waiter))
    }

    mutating func receive(_ reply: Reply) -> Event {
        guard let request = requests.first else { return .confused }
        if case .sync = reply {
            guard request.failure != nil || request.answered == request.steps.count else { return .confused }
            _ = requests.popFirst()
            return .completed(request.waiter, request.failure.map(Result.failure) ?? .success(request.rows))
        }
        guard request.answered < request.steps.count else { return .confused }
        return answer(request.steps[request.answered], with: reply)
    }

    private mutating func answer(_ step: Step, with reply: Reply) -> Event {
        requests.updateFirst { request in
            request.answered += 1
            switch (step, reply) {
            case (.statement, .rows(let rows)): request.rows.append(rows)
            case (_, .failure(let error)): request.failure = request.failure ?? error
            default: break
            }
        }
        switch (step, reply) {
        case (.preparation(let number), .rows): return .prepared(number)
        case (.preparation(let number), _): return .forget(number)
        case (.statement(let number?), .failure(let error)):
            // The plan is out of date since a table has changed, or someone has discarded it.
            return ["0A000", "26000"].contains(error.sqlState) ? .forget(number) : .nothing
        default: return .nothing
        }
    }

    /// Everyone who still waits, each with the failure of its own that it had seen.
    mutating func removeAll() -> [(waiter: Waiter, failure: PostgresError?)] {
        requests.removeAll().map { ($0.waiter, $0.failure) }
    }
}
