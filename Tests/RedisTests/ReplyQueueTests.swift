import Testing

@testable import Redis

@Suite struct ReplyQueueTests {
    private let now = ContinuousClock.now

    private func complete(_ receipt: ReplyQueue<String>.Receipt) -> String? {
        if case .complete(let waiter, let replies) = receipt {
            "\(waiter) \(replies.map { $0.integer ?? -1 })"
        } else {
            nil
        }
    }

    @Test("replies go to those who wait in the order they came, as many as each waits for")
    func order() {
        var queue = ReplyQueue<String>()
        queue.expect(1, by: now, for: "a")
        queue.expect(2, by: now, for: "b")
        #expect(queue.missing == 3)
        #expect(complete(queue.receive(.integer(1))) == "a [1]")
        #expect(complete(queue.receive(.integer(2))) == nil)
        #expect(complete(queue.receive(.integer(3))) == "b [2, 3]")
        #expect(queue.missing == 0)
    }

    @Test("a reply that nobody waits for is told apart")
    func unexpected() {
        var queue = ReplyQueue<String>()
        guard case .unexpected = queue.receive(.null) else { return #expect(Bool(false)) }
        queue.expect(1, by: now, for: "a")
        _ = queue.receive(.null)
        guard case .unexpected = queue.receive(.null) else { return #expect(Bool(false)) }
    }

    @Test("the oldest deadline is that of the first who still waits")
    func deadlines() {
        var queue = ReplyQueue<String>()
        #expect(queue.oldestDeadline == nil)
        queue.expect(2, by: now + .seconds(1), for: "a")
        queue.expect(1, by: now + .seconds(2), for: "b")
        _ = queue.receive(.null)
        #expect(queue.oldestDeadline == now + .seconds(1))
        _ = queue.receive(.null)
        #expect(queue.oldestDeadline == now + .seconds(2))
        _ = queue.receive(.null)
        #expect(queue.oldestDeadline == nil)
    }

    @Test("draining takes out those who still wait, the oldest first, and leaves nothing")
    func drain() {
        var queue = ReplyQueue<String>()
        for name in ["a", "b", "c"] { queue.expect(2, by: now, for: name) }
        for _ in 0..<3 { _ = queue.receive(.null) }
        #expect(queue.drain() == ["b", "c"])
        #expect(queue.drain().isEmpty && queue.missing == 0 && queue.oldestDeadline == nil)
    }

    @Test("a queue that is never empty keeps its order and forgets those who were answered")
    func longLife() {
        var queue = ReplyQueue<Int>()
        for number in 0..<100 { queue.expect(1, by: now, for: number) }
        for number in 0..<10_000 {
            queue.expect(1, by: now, for: number + 100)
            guard case .complete(number, _) = queue.receive(.null) else { return #expect(Bool(false)) }
        }
        #expect(queue.drain() == Array(10_000..<10_100))
    }
}
