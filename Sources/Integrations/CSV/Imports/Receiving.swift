import Contract
import Synchronization

/// Knows the files that are being received.
final class Receiving: Sendable {
    private let ids = Mutex<Set<OperationID>>([])

    /// - Returns: how many are being received, this one included.
    func begin(_ id: OperationID) -> Int {
        ids.withLock { ids in
            ids.insert(id)
            return ids.count
        }
    }

    func end(_ id: OperationID) { ids.withLock { _ = $0.remove(id) } }

    func contains(_ id: OperationID) -> Bool { ids.withLock { $0.contains(id) } }
}
