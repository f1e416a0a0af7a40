import Kernel
import Synchronization

/// Which brands are worked on, which wait for it, and who is next: each brand once, in a limited number of
/// lanes.
struct ReconcilerQueue: Sendable {
    /// Brands that are worked on at the same time.
    let lanes: Int
    private var waiting: [Slug] = []
    private var working: Set<Slug> = []
    /// Those of them that took too long: each still ends some time, and no longer holds a lane.
    private var overdue: Set<Slug> = []
    /// Those of them that something has changed for since they were begun.
    private var again: Set<Slug> = []

    init(lanes: Int) { self.lanes = lanes }

    /// Whether there is nothing to do and nothing being done.
    var isIdle: Bool { waiting.isEmpty && working.isEmpty }

    func isWorking(_ slug: Slug) -> Bool { working.contains(slug) }

    /// Says that the brand is to be worked on; `first` of all that wait when somebody is looking at it.
    mutating func add(_ slug: Slug, first: Bool = false) {
        if working.contains(slug) {
            again.insert(slug)
        } else if first {
            waiting.removeAll { $0 == slug }
            waiting.insert(slug, at: 0)
        } else if !waiting.contains(slug) {
            waiting.append(slug)
        }
    }

    /// The brand to begin now; nil when none waits or no lane is free.
    mutating func next() -> Slug? {
        guard !waiting.isEmpty, working.count - overdue.count < lanes else { return nil }
        let slug = waiting.removeFirst()
        working.insert(slug)
        return slug
    }

    /// Gives the lane of a brand that takes too long to others.
    mutating func release(_ slug: Slug) {
        if working.contains(slug) { overdue.insert(slug) }
    }

    /// Ends the work on a brand, which waits again when something has changed for it meanwhile.
    mutating func end(_ slug: Slug) {
        working.remove(slug)
        overdue.remove(slug)
        if again.remove(slug) != nil { add(slug) }
    }
}

/// What the reconciler is told from outside, until it comes to read it.
final class ReconcilerInbox: Sendable {
    /// What came since it was read last.
    struct Contents: Sendable {
        var isResyncDue = false
        /// Brands that something was changed for.
        var pokes: Set<Slug> = []
        /// Brands whose unit has another status.
        var signals: Set<Slug> = []
    }

    private let state = Mutex<(contents: Contents, wake: AsyncStream<Void>.Continuation?)>((Contents(), nil))

    /// What wakes its one reader, until another begins: once for any number of changes.
    func wakes() -> AsyncStream<Void> {
        let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        state.withLock { $0.wake = wake }
        wake.yield()
        return wakes
    }

    /// Notes something and wakes the reader.
    func put(_ change: (inout Contents) -> Void = { _ in }) {
        state.withLock { state in
            change(&state.contents)
            _ = state.wake?.yield()
        }
    }

    /// Takes everything out.
    func take() -> Contents {
        state.withLock { state in
            defer { state.contents = Contents() }
            return state.contents
        }
    }
}
