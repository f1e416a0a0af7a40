import Contract
import Events
import Kernel
import Postgres

/// What people decide about who is who: logged, and carried out at once, under the writer lease. Intake goes
/// on meanwhile, into the stream.
public struct Decisions: Sendable {
    private let database: WriterDatabase
    private let reader: PostgresPool
    private let projectors: [any Projector]
    private let settings: @Sendable () -> BrandSettings

    /// - Parameters:
    ///   - database: a connection of its own, beside the writer's.
    ///   - reader: what shows the brand as it is until a decision is committed.
    ///   - projectors: the rooms behind identity, in their order, which re-point what is theirs.
    ///   - settings: the brand's present settings, for its country.
    public init(
        database: WriterDatabase, reader: PostgresPool, projectors: [any Projector],
        settings: @escaping @Sendable () -> BrandSettings
    ) {
        self.database = database
        self.reader = reader
        self.projectors = projectors
        self.settings = settings
    }

    /// Decides.
    ///
    /// - Parameter shown: what a preview, a profile's or a row's document gave; nil to decide whatever has
    ///   changed since.
    /// - Throws: `Fault.notFound` for what is unknown, `.invalid` for what can mean nothing, `.conflict` for
    ///   what the present state refuses, or when what the request is about has changed since it was shown.
    ///   Nothing is changed then.
    public func decide(
        _ request: DecisionRequest, by author: DecisionAuthor, shown: String?
    ) async throws -> DecisionReport {
        try await database.transaction { transaction in
            try await report(request, by: author, shown: shown, in: transaction)
        }
    }

    /// Says what a decision would change, and changes nothing.
    ///
    /// - Throws: as `decide`; but a conflict is the report's `refusal`.
    public func preview(
        _ request: DecisionRequest, by author: DecisionAuthor
    ) async throws -> DecisionReport {
        do {
            return try await database.transaction { transaction -> DecisionReport in
                do {
                    let report = try await report(request, by: author, shown: nil, in: transaction)
                    throw Previewed(report: report.asPreview)
                } catch let refusal as Fault where refusal.code == .conflict {
                    throw Previewed(report: DecisionReport(refusal))
                }
            }
        } catch let previewed as Previewed {
            return previewed.report
        }
    }

    /// Carries a preview out of the transaction that it rolls back.
    private struct Previewed: Error {
        let report: DecisionReport
    }

    private func report(
        _ request: DecisionRequest, by author: DecisionAuthor, shown: String?,
        in transaction: PostgresTransaction
    ) async throws -> DecisionReport {
        let queue = ReviewQueueStore()
        let brought = try await ReviewQueue.refresh(in: transaction)
        let targets = DecisionTargets(request, in: transaction)
        let target = try await targets.target(of: request)
        if let shown, shown != target.shown {
            throw targets.refusal(.conflict, "what it is about has changed since it was shown")
        }
        let store = DecisionStore()
        let sequence = try await store.append(
            target.kind, target.left, target.right, by: author, in: transaction)
        let repair = IdentityRepair(
            of: target.decision(sequence: sequence), by: author,
            normaliser: IdentifierNormaliser(country: settings().country), in: transaction)
        var result: IdentityRepair.Result
        do {
            result = try await repair.work()
        } catch let forbidden as Admission.Forbidden {
            let ends = try await store.entries([forbidden.pair.low, forbidden.pair.high], in: transaction)
            let names = ends.values.map(\.name).sorted().joined(separator: " and ")
            throw targets.refusal(.conflict, "\(names) must never come together: allow that first")
        }
        let (concerned, before, after) = try await carryOut(&result, in: transaction)
        let refreshed = try await ReviewQueue.refresh(
            answering: target.row.map { ($0, target.kind == .approve ? .approved : .rejected) },
            in: transaction)
        let touched = Set(refreshed.opened + refreshed.closed).subtracting(brought.closed)
        return DecisionReport(
            sequence: sequence, shown: target.shown,
            profilesChanged: concerned,
            before: before.sorted { $0.key < $1.key }.map(\.value),
            after: after.sorted { $0.key < $1.key }.map(\.value), held: result.held,
            rows: try await queue.documents(
                of: Array(touched.sorted().prefix(DecisionReport.maximumRows)), in: transaction),
            refusal: nil)
    }

    /// Makes and refreshes profiles, and lets the rooms behind identity follow; gives the profiles concerned
    /// as they were and as they are.
    private func carryOut(
        _ result: inout IdentityRepair.Result, in transaction: PostgresTransaction
    ) async throws -> (concerned: Int, before: [ProfileID: String], after: [ProfileID: String]) {
        let profiles = ProfileStore()
        let change = result.change
        result.change.snapshots = try await profiles.snapshots(
            of: Set(change.history.flatMap { [$0.base, $0.other] }), in: transaction)
        try await profiles.make(result.made, in: transaction)
        let refreshed = change.disturbed.union(result.made).subtracting(change.removed)
        try await profiles.refreshIdentifiers(of: refreshed.subtracting(result.made), in: transaction)
        var batch = EventBatch(events: [])
        batch.change = result.change
        for projector in projectors { try await projector.project(&batch, in: transaction) }
        // The rooms behind may have found more: an order that went from one profile to another.
        let concerned = refreshed.union(batch.change.disturbed).union(change.removed)
        let reports = DecisionReportStore()
        return (
            concerned.count, try await reports.profiles(concerned, on: reader),
            try await reports.profiles(concerned, on: transaction)
        )
    }
}

extension DecisionReport {
    /// A refusal, which leaves everything as it is.
    init(_ refusal: Fault) {
        self.init(
            sequence: nil, shown: "", profilesChanged: 0, before: [], after: [], held: 0, rows: [],
            refusal: refusal)
    }

    /// The same without a place in the log.
    var asPreview: DecisionReport {
        DecisionReport(
            sequence: nil, shown: shown, profilesChanged: profilesChanged, before: before, after: after,
            held: held, rows: rows, refusal: nil)
    }
}
