import Contract
import Events
import Postgres

/// Makes orders of purchases, refunds and cancellations, and keeps what is derived from orders: the brand's
/// totals per currency, and each profile's lifetime value and number of orders.
public struct OrderProjector: Projector {
    private let settings: @Sendable () -> BrandSettings
    private let store = OrderStore()

    /// - Parameter settings: the brand's present settings, for its currency.
    public init(settings: @escaping @Sendable () -> BrandSettings) { self.settings = settings }

    public func project(_ batch: inout EventBatch, in transaction: PostgresTransaction) async throws {
        try await store.follow(batch.change.moved, in: transaction)
        let reordered = try await store.replace(batch.change.replaced, in: transaction)
        batch.change.disturbed.formUnion(reordered.subtracting(batch.change.removed))
        let changes = try await store.enter(
            batch.counted, currency: settings().currency, in: transaction)
        try await store.add(changes, in: transaction)
        try await store.derive(of: batch.change.disturbed, in: transaction)
    }
}
