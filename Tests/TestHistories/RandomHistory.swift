import Customers
import Kernel

/// What a brand might live through: events in the order of their arrival, and between them what people
/// decide. The same seed gives the same history.
struct RandomHistory: Sendable {
    enum Step: Sendable {
        case send(Sent)
        case decide(Intent)
    }

    /// What a person wants; what it means depends on what is known by then.
    enum Intent: Sendable {
        case block(Identifier), unblock(Identifier), share(Identifier), unshare(Identifier)
        /// The two profiles that the identifiers are in.
        case merge(Identifier, Identifier)
        /// Some of the identifiers may be unknown.
        case unmerge([Identifier], from: [Identifier])
        case never([Identifier], [Identifier])
        case allow([Identifier], [Identifier])
        /// The n-th row of the queue, modulo how many there are.
        case approve(Int), reject(Int)
    }

    let seed: UInt64
    let steps: [Step]

    /// - Parameters:
    ///   - sends: about how many events. More of them are of more people, in the same months.
    ///   - isTame: whether no order of its events reaches a limit, and nobody decides anything.
    init(seed: UInt64, sends: Int = 60, isTame: Bool = false) {
        self.seed = seed
        var writer = HistoryWriter(seed: seed, sends: sends, isTame: isTame)
        steps = writer.write()
    }

    /// The events alone, in the order of their arrival.
    var sent: [Sent] {
        steps.compactMap { step in
            if case .send(let sent) = step { sent } else { nil }
        }
    }

    /// What part of the histories has each feature.
    static func shares(of histories: [RandomHistory]) -> [HistoryFeature: Double] {
        var counts: [HistoryFeature: Int] = [:]
        for history in histories {
            for feature in history.features { counts[feature, default: 0] += 1 }
        }
        return counts.mapValues { Double($0) / Double(histories.count) }
    }
}
