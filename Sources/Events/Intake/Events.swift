import Kernel

/// Takes events in. What `accept` has returned for is durable, and will be committed once.
public struct Events: Sendable {
    private let stream: EventStream
    private let gate: IntakeGate
    private let arrivals: Arrivals

    public init(stream: EventStream, gate: IntakeGate, arrivals: Arrivals) {
        self.stream = stream
        self.gate = gate
        self.arrivals = arrivals
    }

    /// Makes `events` durable, in order, and gives the position of each in the stream.
    ///
    /// - Throws: `Fault.unavailable` when the stream is full or away, or a disk is nearly full.
    @discardableResult
    public func accept(_ events: [Event]) async throws -> [EventStream.Position] {
        guard !events.isEmpty else { return [] }
        try gate.enter(events.count)
        do {
            let positions = try await stream.append(events)
            arrivals.announce()
            return positions
        } catch {
            gate.leave(events.count)
            throw error
        }
    }
}
