/// Who waits for which replies. Redis answers in the order it is asked, so the oldest waiter is answered
/// first.
///
/// Pure: it resumes nobody and knows no clock; the connection acts on what it returns.
struct ReplyQueue<Waiter> {
    /// What a reply led to.
    enum Receipt {
        /// The oldest waiter has its last reply.
        case complete(Waiter, [RedisValue])
        /// The oldest waiter needs more.
        case partial
        /// Nobody waits: the two ends no longer agree on what was asked.
        case unexpected
    }

    private struct Entry {
        let waiter: Waiter
        let deadline: ContinuousClock.Instant
        var missing: Int
        var replies: [RedisValue] = []
    }

    /// Those before `head` are answered and nil; they are dropped together, so that each costs the same.
    private var entries: [Entry?] = []
    private var head = 0

    /// The replies that are yet to come.
    private(set) var missing = 0

    /// When the oldest waiter has waited for too long.
    var oldestDeadline: ContinuousClock.Instant? {
        head < entries.count ? entries[head]?.deadline : nil
    }

    /// Puts `waiter` last, for `count` replies.
    mutating func expect(_ count: Int, by deadline: ContinuousClock.Instant, for waiter: Waiter) {
        precondition(count > 0, "a waiter waits for something")
        entries.append(Entry(waiter: waiter, deadline: deadline, missing: count))
        missing += count
    }

    /// Gives the next reply to the oldest waiter.
    mutating func receive(_ reply: RedisValue) -> Receipt {
        guard head < entries.count else { return .unexpected }
        missing -= 1
        entries[head]?.replies.append(reply)
        entries[head]?.missing -= 1
        guard let entry = entries[head], entry.missing == 0 else { return .partial }
        entries[head] = nil
        head += 1
        if head == entries.count || head >= 1024 {
            entries.removeFirst(head)
            head = 0
        }
        return .complete(entry.waiter, entry.replies)
    }

    /// Takes out all who wait, the oldest first.
    mutating func drain() -> [Waiter] {
        defer { self = ReplyQueue() }
        return entries.compactMap { $0?.waiter }
    }
}
