import HummingbirdCore
import Synchronization

/// Has connections accepted while there are seats for them, and none once the server leaves.
struct ConnectionSeats: AvailableConnectionsDelegate {
    private let most: Int
    private let drain: Drain
    private var taken = 0

    init(most: Int, drain: Drain) {
        self.most = most
        self.drain = drain
    }

    mutating func connectionOpened() { taken += 1 }

    mutating func connectionClosed() { taken -= 1 }

    func isAcceptingNewConnections() -> Bool { taken < most && !drain.isOn }
}

/// Whether the server is leaving; read for every answer.
final class Drain: Sendable {
    private let flag = Atomic<Bool>(false)

    var isOn: Bool { flag.load(ordering: .relaxed) }

    func turnOn() { flag.store(true, ordering: .relaxed) }
}
