import Postgres

/// One room's part of a commit: it works on the whole batch with a constant number of statements.
///
/// Projectors run in the order of the rooms, in one transaction. An error rolls all of them back, and the
/// batch is read again, so a projector keeps nothing in memory that a rollback would make wrong.
public protocol Projector: Sendable {
    /// Applies its part of `batch`, and may fill in what the projectors after it need.
    func project(_ batch: inout EventBatch, in transaction: PostgresTransaction) async throws
}
