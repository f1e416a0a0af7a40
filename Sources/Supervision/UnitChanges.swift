import Synchronization

/// The names of units whose status changed, for one reader.
///
/// A name comes at least once after the unit's last change, however slow the reader is; changes of one unit
/// that the reader has not come to yet are one. So it holds no more names than there are units. It ends when
/// its task is cancelled.
public struct UnitChanges: AsyncSequence, Sendable {
    /// The unit's name.
    public typealias Element = String

    /// Takes the names, the one that changed first before the others.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let pending: PendingNames
        fileprivate var wakes: AsyncStream<Void>.Iterator

        /// The next name; nil when the task is cancelled.
        public mutating func next() async -> String? {
            while !Task.isCancelled {
                if let name = pending.take() { return name }
                guard await wakes.next() != nil else { return nil }
            }
            return nil
        }
    }

    fileprivate let pending: PendingNames
    private let wakes: AsyncStream<Void>

    fileprivate init(pending: PendingNames, wakes: AsyncStream<Void>) {
        self.pending = pending
        self.wakes = wakes
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(pending: pending, wakes: wakes.makeAsyncIterator())
    }
}

/// Tells every reader of `UnitChanges` what has changed.
final class UnitChangeBoard: Sendable {
    private struct Reader {
        let pending: PendingNames
        let wake: AsyncStream<Void>.Continuation
    }

    private let readers = Mutex<[Reader]>([])

    /// What changes from now on.
    func changes() -> UnitChanges {
        let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let pending = PendingNames()
        readers.withLock { $0.append(Reader(pending: pending, wake: wake)) }
        return UnitChanges(pending: pending, wakes: wakes)
    }

    /// Says that the unit's status is another, and drops the readers that are no longer listening.
    func announce(_ name: String) {
        readers.withLock { readers in
            readers.removeAll { reader in
                reader.pending.add(name)
                if case .terminated = reader.wake.yield() { return true }
                return false
            }
        }
    }
}

/// Names in the order in which they first came, each once until it is taken.
private final class PendingNames: Sendable {
    private struct State {
        var order: [String] = []
        var names: Set<String> = []
    }

    private let state = Mutex(State())

    func add(_ name: String) {
        state.withLock { state in
            if state.names.insert(name).inserted { state.order.append(name) }
        }
    }

    func take() -> String? {
        state.withLock { state in
            guard !state.order.isEmpty else { return nil }
            let name = state.order.removeFirst()
            state.names.remove(name)
            return name
        }
    }
}
