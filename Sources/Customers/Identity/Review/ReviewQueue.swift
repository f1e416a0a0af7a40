import Contract
import Events
import Kernel
import Postgres

/// The queue of what limits have held and nobody has decided yet.
///
/// Its table is brought in line with the pairs that are held whenever somebody looks, and not while events
/// are written.
public struct ReviewQueue: Sendable {
    /// What has become of a row.
    public enum Status: String, Sendable, CaseIterable {
        /// It waits for a person.
        case pending
        case approved, rejected
        /// The profiles became one by other ways.
        case merged
    }

    private let database: WriterDatabase

    /// - Parameter database: a connection that may take the writer lease.
    public init(database: WriterDatabase) { self.database = database }

    /// Rows with all that a person needs to decide: profiles, pairs, how many events, why, since when, and
    /// values that may be better blocked or shared. The newest first; at most `limit`, behind `cursor`.
    public func list(
        _ status: Status = .pending, behind cursor: PageCursor?, limit: Int
    ) async throws -> [ListedDocument] {
        try await database.transaction { transaction in
            _ = try await ReviewQueue.refresh(in: transaction)
            return try await ReviewQueueStore().list(status, behind: cursor, limit: limit, in: transaction)
        }
    }

    /// One row, also a closed one; nil when there is none.
    public func show(_ id: ReviewRowID) async throws -> String? {
        try await database.transaction { transaction in
            _ = try await ReviewQueue.refresh(in: transaction)
            return try await ReviewQueueStore().documents(of: [id], in: transaction).first
        }
    }

    /// Which rows a refresh has opened and closed.
    package struct Refreshed: Sendable {
        package var opened: [ReviewRowID] = []
        package var closed: [ReviewRowID] = []
    }

    /// Brings the pending rows in line with the pairs that are held. The transaction must hold the writer
    /// lease.
    ///
    /// A row keeps its id as long as its pairs wait, also when their profiles have become others.
    ///
    /// - Parameter answer: a row that has just been decided, and how.
    @discardableResult
    package static func refresh(
        answering answer: (row: ReviewRowID, status: Status)? = nil, in transaction: PostgresTransaction
    ) async throws -> Refreshed {
        let store = ReviewQueueStore()
        var refreshed = Refreshed()
        if let answer {
            try await store.close([answer.row: answer.status], in: transaction)
            refreshed.closed.append(answer.row)
        }
        let held = try await store.held(in: transaction)
        let profiles = Dictionary(
            held.flatMap { [($0.pair.low, $0.low), ($0.pair.high, $0.high)] }, uniquingKeysWith: { $1 })
        let rows = ReviewRows.rows(held: held.map { ($0.pair, $0.hold) }) { profiles[$0] }
        let pending = try await store.pending(in: transaction)
        guard !rows.isEmpty || !pending.isEmpty else { return refreshed }
        let counts = try await store.events(carryingPairsOf: rows, in: transaction)
        let holds = Dictionary(held.map { ($0.pair, $0.hold) }, uniquingKeysWith: { $1 })

        let matched = match(rows, with: pending)
        let vanished = pending.filter { old in !matched.contains { $0?.id == old.id } }
        let fates = try await store.fates(of: vanished, in: transaction)
        try await store.close(fates, in: transaction)
        refreshed.closed += vanished.map(\.id)

        var new: [ReviewQueueStore.Fresh] = []
        var changed: [ReviewQueueStore.Fresh] = []
        for (index, row) in rows.enumerated() {
            let old = matched[index]
            let fresh = ReviewQueueStore.Fresh(
                id: old?.id ?? ReviewRowID(at: SystemWallClock().now()), row: row, events: counts[index],
                holds: Set(row.pairs.compactMap { holds[$0] }).sorted())
            guard let old else {
                new.append(fresh)
                continue
            }
            if old.row != row || old.events != counts[index] { changed.append(fresh) }
        }
        try await store.update(changed, in: transaction)
        try await store.insert(new, in: transaction)
        refreshed.opened = new.map(\.id)
        return refreshed
    }

    /// The pending row that each row is: of the same profiles or, where those have become others, the oldest
    /// one with a pair in common.
    private static func match(
        _ rows: [ReviewRows.Row], with pending: [ReviewQueueStore.Stored]
    ) -> [ReviewQueueStore.Stored?] {
        var byKey: [Key: ReviewQueueStore.Stored] = [:]
        for old in pending { byKey[Key(old.row)] = old }
        var matched = rows.map { byKey[Key($0)] }
        var free = Set(pending.map(\.id)).subtracting(matched.compactMap { $0?.id })
        guard !free.isEmpty else { return matched }
        var byPair: [IdentifierPair: ReviewQueueStore.Stored] = [:]
        for old in pending.sorted(by: { $1.id < $0.id }) where free.contains(old.id) {
            for pair in old.row.pairs { byPair[pair] = old }
        }
        for (index, row) in rows.enumerated() where matched[index] == nil {
            let candidates = row.pairs.compactMap { byPair[$0] }.filter {
                free.contains($0.id) && $0.row.identifier == row.identifier
            }
            guard let oldest = candidates.min(by: { $0.id < $1.id }) else { continue }
            matched[index] = oldest
            free.remove(oldest.id)
        }
        return matched
    }

    private struct Key: Hashable {
        let profiles: [ProfileID]
        let identifier: IdentifierID?

        init(_ row: ReviewRows.Row) {
            profiles = row.profiles
            identifier = row.identifier
        }
    }
}
