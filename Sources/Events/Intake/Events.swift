import Kernel

/// Takes events in. What `accept` has returned for is durable, and will be committed once.
public struct Events: Sendable {
    private let stream: EventStream
    private let gate: IntakeGate
    private let arrivals: Arrivals
    private let metrics = EventMetrics()
    /// What the brand's plan lets in.
    public let quota: EventQuota

    public init(stream: EventStream, gate: IntakeGate, arrivals: Arrivals, quota: EventQuota) {
        self.stream = stream
        self.gate = gate
        self.arrivals = arrivals
        self.quota = quota
    }

    /// Whether an event that was accepted at `position` may not be committed yet, whoever commits it.
    public func isWaiting(_ position: EventStream.Position) async throws -> Bool {
        try await stream.holds(position)
    }

    /// Refuses a request of `count` events that would be refused by the plan's limit of a second even if all
    /// were acceptable, before they are read.
    ///
    /// - Throws: `Fault.limited`.
    public func foresee(_ count: Int) throws {
        do {
            try quota.foresee(count)
        } catch {
            metrics.refuse(.plan)
            throw error
        }
    }

    /// Makes `events` of one sender durable, in order, and gives the position of each in the stream.
    ///
    /// - Parameter isPaced: whether the sender waits until what it has sent is committed, as an import does.
    /// - Throws: `Fault.limited` when the plan allows no more of them at present, `Fault.unavailable` when
    ///   the stream is full or away, or a disk is nearly full.
    @discardableResult
    public func accept(_ events: [Event], isPaced: Bool = false) async throws -> [EventStream.Position] {
        guard let first = events.first else { return [] }
        do {
            try await quota.admit(events.count, areTest: first.isTest, isPaced: isPaced)
        } catch {
            metrics.refuse(.plan)
            throw error
        }
        do {
            try gate.enter(events.count)
        } catch {
            metrics.refuse(gate.isDiskNearlyFull ? .disk : .full)
            throw error
        }
        do {
            let positions = try await stream.append(events)
            gate.settle(events.count, areAppended: true)
            metrics.accepted.increment(by: events.count)
            arrivals.announce()
            return positions
        } catch {
            gate.settle(events.count, areAppended: false)
            metrics.refuse(.stream)
            throw error
        }
    }

    /// Counts events that were not acceptable as they were sent, and so never came here.
    public func countRejected(_ count: Int) { metrics.rejected.increment(by: count) }
}
