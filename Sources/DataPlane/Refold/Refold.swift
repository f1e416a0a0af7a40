import Commerce
import Contract
import Customers
import Events
import Kernel
import Postgres

/// The judge: folds a brand's events and decisions from scratch, compares what comes out with what is stored,
/// and takes the differences away where it is told to.
///
/// On a healthy brand there is no difference.
struct Refold {
    /// Told how many events of how many are read.
    typealias Progress = @Sendable (_ done: Int64, _ total: Int64) async -> Void

    /// For the country and the currency.
    let settings: BrandSettings
    let progress: Progress

    private let events = RefoldEventStore()
    private let identity = RefoldIdentityStore()
    private let orders = RefoldOrderStore()
    private let profiles = RefoldProfileStore()
    private let session = RefoldTransactionStore()

    init(settings: BrandSettings, progress: @escaping Progress = { _, _ in }) {
        self.settings = settings
        self.progress = progress
    }

    /// Finds what differs as of one instant, and changes nothing; events go on being committed meanwhile.
    func plan(in transaction: PostgresTransaction) async throws -> RefoldReport {
        try await prepare(in: transaction)
        try await session.forbidChanges(in: transaction)
        return try await judge(isApplied: false, in: transaction)
    }

    /// Finds what differs and takes it away. The transaction must hold the writer lease; events are accepted
    /// meanwhile and wait in the stream.
    ///
    /// The queue follows, but is not compared: it is brought in line when somebody looks at it, and may be
    /// behind until then.
    func apply(in transaction: PostgresTransaction) async throws -> RefoldReport {
        try await prepare(in: transaction)
        let report = try await judge(isApplied: true, in: transaction)
        try await ReviewQueue.refresh(in: transaction)
        return report
    }

    /// To be called first in a transaction that reads anything before it plans: see
    /// `RefoldTransactionStore.keepMonths`.
    func keepMonths(in transaction: PostgresTransaction) async throws {
        try await session.keepMonths(in: transaction)
    }

    private func prepare(in transaction: PostgresTransaction) async throws {
        try await session.allowTime(in: transaction)
        try await session.keepMonths(in: transaction)
        try await identity.prepare(in: transaction)
        try await orders.prepare(in: transaction)
        try await profiles.prepare(in: transaction)
    }

    private func judge(
        isApplied: Bool, in transaction: PostgresTransaction
    ) async throws -> RefoldReport {
        let decisions = try await identity.decisions(in: transaction)
        let folded = try await history(in: transaction).folded(by: decisions)
        try await identity.fill(folded, in: transaction)
        try await events.sales(in: transaction) { sales in
            try await orders.enter(sales, currency: settings.currency, in: transaction)
        }
        try await profiles.fill(in: transaction)
        var differences: [RefoldReport.Difference] = []
        for check in Refold.checks {
            if let difference = try await check.run(isApplied: isApplied, in: transaction) {
                differences.append(difference)
            }
        }
        return RefoldReport(
            applied: isApplied, events: Int64(folded.eventCount), identifiers: Int64(folded.identifierCount),
            decisions: Int64(decisions.count), differences: differences)
    }

    /// In the order in which they are corrected.
    static var checks: [RefoldCheck] {
        RefoldIdentityCheckStore.checks + RefoldOrderStore.checks + RefoldProfileStore.checks
    }

    private func history(in transaction: PostgresTransaction) async throws -> RefoldHistory {
        var history = RefoldHistory(
            country: settings.country, identifiers: try await identity.identifiers(in: transaction))
        let total = try await events.count(in: transaction)
        var done: Int64 = 0
        try await events.events(in: transaction) { page in
            for event in page { history.enter(event) }
            done += Int64(page.count)
            await progress(done, total)
        }
        return history
    }
}
