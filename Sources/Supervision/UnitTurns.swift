import Synchronization

/// Who may change a unit: one caller at a time for each name, in the order in which they came.
final class UnitTurns: Sendable {
    /// Who waits; a name is present while its unit is being changed.
    private let waiting = Mutex<[String: [CheckedContinuation<Void, Never>]]>([:])

    /// Returns when the unit is the caller's to change, until `give`.
    func take(_ name: String) async {
        await withCheckedContinuation { turn in
            let isFree = waiting.withLock { waiting in
                guard waiting[name] == nil else {
                    waiting[name]?.append(turn)
                    return false
                }
                waiting[name] = []
                return true
            }
            if isFree { turn.resume() }
        }
    }

    /// Lets the next caller change the unit.
    func give(_ name: String) {
        let next = waiting.withLock { waiting -> CheckedContinuation<Void, Never>? in
            guard waiting[name]?.isEmpty == false else {
                waiting[name] = nil
                return nil
            }
            return waiting[name]?.removeFirst()
        }
        next?.resume()
    }
}
