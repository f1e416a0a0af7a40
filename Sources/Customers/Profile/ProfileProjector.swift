import Contract
import Events
import Kernel
import Postgres

/// Keeps when each profile was first and last seen, by when its events happened, and takes away profiles that
/// are no more.
public struct ProfileProjector: Projector {
    private let store = ProfileStore()

    public init() {}

    public func project(_ batch: inout EventBatch, in transaction: PostgresTransaction) async throws {
        let sightings = ProfileProjector.sightings(in: batch).filter { !batch.change.made.contains($0.key) }
        try await store.see(sightings, in: transaction)
        try await store.deriveSightings(of: batch.change.disturbed, in: transaction)
        try await store.remove(batch.change.removed, in: transaction)
    }

    /// When the events of a batch have seen their profiles.
    static func sightings(in batch: EventBatch) -> [ProfileID: ProfileStore.Sighting] {
        var sightings: [ProfileID: ProfileStore.Sighting] = [:]
        for placed in batch.counted {
            guard let profile = placed.placement?.profile else { continue }
            let instant = placed.event.occurredAt
            let seen = sightings[profile] ?? (instant, instant)
            sightings[profile] = (min(seen.first, instant), max(seen.last, instant))
        }
        return sightings
    }
}

/// The last projector: records merges and unmerges, when everything that they changed is written.
public struct MergeHistoryProjector: Projector {
    public init() {}

    public func project(_ batch: inout EventBatch, in transaction: PostgresTransaction) async throws {
        try await MergeHistoryStore().record(batch.change, in: transaction)
    }
}
