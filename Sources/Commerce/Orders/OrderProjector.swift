import Contract
import Events
import Postgres

/// Makes orders of purchases, and keeps what is derived from orders: the brand's totals per currency, and
/// each profile's lifetime value and number of orders.
public struct OrderProjector: Projector {
    private let settings: @Sendable () -> BrandSettings
    private let store = OrderStore()

    /// - Parameter settings: the brand's present settings, for its currency.
    public init(settings: @escaping @Sendable () -> BrandSettings) { self.settings = settings }

    public func project(_ batch: inout EventBatch, in transaction: PostgresTransaction) async throws {
        let currency = settings().currency
        try await store.follow(batch.change.moved, in: transaction)
        let reordered = try await store.replace(batch.change.replaced, in: transaction)
        batch.change.disturbed.formUnion(reordered.subtracting(batch.change.removed))
        try await enter(batch, currency: currency, in: transaction)
        try await store.derive(of: batch.change.disturbed, currency: currency, in: transaction)
    }

    private func enter(
        _ batch: EventBatch, currency: String, in transaction: PostgresTransaction
    ) async throws {
        let versions = try batch.counted
            .filter { $0.event.type == .purchase }
            .map { try OrderVersion($0, brandCurrency: currency) }
        guard !versions.isEmpty else { return }
        let changes = try await store.apply(versions, in: transaction)
        try await store.addToTotals(changes, in: transaction)
        try await store.addToProfiles(changes, currency: currency, in: transaction)
    }
}
