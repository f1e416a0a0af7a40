/// Tells who waits for an event that it is committed.
public actor CommitWatch {
    private var committed: EventStream.Position?
    private(set) var waiters:
        [Int: (position: EventStream.Position, continuation: CheckedContinuation<Bool, Never>)] = [:]
    private var nextWaiter = 0

    public init() {}

    /// Waits until everything up to `position` is committed; false when `timeout` passes first.
    public func wait(for position: EventStream.Position, timeout: Duration) async -> Bool {
        if let committed, committed >= position { return true }
        let waiter = nextWaiter
        nextWaiter += 1
        return await withTaskGroup(of: Void.self) { group in
            group.addTask {
                try? await Task.sleep(for: timeout)
                await self.release(waiter, with: false)
            }
            defer { group.cancelAll() }
            return await withCheckedContinuation { waiters[waiter] = (position, $0) }
        }
    }

    /// Everything up to `position` is committed.
    func publish(_ position: EventStream.Position) {
        committed = max(committed ?? position, position)
        for (waiter, entry) in waiters where entry.position <= position { release(waiter, with: true) }
    }

    private func release(_ waiter: Int, with result: Bool) {
        waiters.removeValue(forKey: waiter)?.continuation.resume(returning: result)
    }
}
