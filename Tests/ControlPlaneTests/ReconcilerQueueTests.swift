import Kernel
import Testing

@testable import ControlPlane

@Suite("Whose turn it is to be reconciled")
struct ReconcilerQueueTests {
    private let a = slug("aa")
    private let b = slug("bb")
    private let c = slug("cc")

    @Test("a brand waits once, one that is poked goes first, and there are no more than the lanes")
    func lanes() {
        var queue = ReconcilerQueue(lanes: 2)
        for slug in [a, b, a] { queue.add(slug) }
        queue.add(c, first: true)
        #expect(queue.next() == c)
        #expect(queue.next() == a)
        #expect(queue.next() == nil)
        queue.end(c)
        #expect(queue.next() == b)
        for slug in [a, b] { queue.end(slug) }
        #expect(queue.next() == nil)
        #expect(queue.isIdle)
    }

    @Test("a brand that changes while it is worked on is worked on again, never twice at once")
    func again() {
        var queue = ReconcilerQueue(lanes: 2)
        queue.add(a)
        #expect(queue.next() == a)
        queue.add(a)
        queue.add(a, first: true)
        #expect(queue.next() == nil)
        queue.end(a)
        #expect(queue.next() == a)
        queue.end(a)
        #expect(queue.isIdle)
    }

    @Test("one that takes too long gives up its lane, and its turn is not over before it ends")
    func overdue() {
        var queue = ReconcilerQueue(lanes: 1)
        for slug in [a, b] { queue.add(slug) }
        #expect(queue.next() == a)
        #expect(queue.next() == nil)
        queue.release(a)
        queue.add(a)
        #expect(queue.next() == b)
        #expect(queue.isWorking(a))
        queue.end(b)
        #expect(queue.next() == nil)
        queue.end(a)
        #expect(queue.next() == a)
    }

    private static func slug(_ text: String) -> Slug {
        guard let slug = try? Slug(text) else { preconditionFailure("not a slug: \(text)") }
        return slug
    }
}
