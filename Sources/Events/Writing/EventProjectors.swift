import Postgres

/// The first projector: drops from the batch what was known before, so that effects happen once.
public struct EventKeyProjector: Projector {
    private let store = EventStore()

    public init() {}

    public func project(_ batch: inout EventBatch, in transaction: PostgresTransaction) async throws {
        let new = try await store.enterKeys(of: batch.events, in: transaction)
        batch.events.removeAll { !new.contains($0.id) }
    }
}

/// Writes the raw events, after identity has placed them, and re-points those that are stored already.
public struct RawEventProjector: Projector {
    private let store = EventStore()

    public init() {}

    public func project(_ batch: inout EventBatch, in transaction: PostgresTransaction) async throws {
        try await store.replace(batch.change.replaced, in: transaction)
        try await store.follow(batch.change.moved, in: transaction)
        guard !batch.events.isEmpty else { return }
        try await store.insert(batch, in: transaction)
    }
}
