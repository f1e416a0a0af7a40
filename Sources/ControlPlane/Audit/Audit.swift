import Contract
import Kernel
import Logging
import Synchronization
import Web

/// Who did what, from where, with what result: a row before a request is handled and one after it.
///
/// Rows are kept for ever: the log has no retention yet. So that nobody without credentials can fill it, what
/// one address does without them is refused once it has failed too often.
final class Audit: Sendable {
    private let store: AuditStore
    private let clock: any WallClock
    private let logger: Logger
    /// Ids of one daemon rise strictly, so that its entries are listed in the order in which they were made.
    private let ids = Mutex(UUIDv7Sequence(after: nil))
    private let strangers = Mutex(FailureWindows())

    /// Failures of one address without credentials that are recorded in one window of time.
    static let failuresPerStranger = 200

    init(store: AuditStore, clock: any WallClock, logger: Logger) {
        self.store = store
        self.clock = clock
        self.logger = logger
    }

    /// Records that a request will be handled.
    ///
    /// - Throws: `Fault.unavailable` when it cannot be recorded, `Fault.limited` when a stranger has failed
    ///   too often: it must not be handled then.
    func begin(_ request: AuditedRequest) async throws -> AuditRow {
        if request.actor == AuditRow.nobody, let wait = wait(request.origin) {
            throw Fault(
                .limited, doing: request.action, "too many requests without credentials have failed",
                retryAfter: wait)
        }
        let row = row(request)
        do {
            try await store.append(row)
        } catch {
            throw Fault(
                .unavailable, doing: request.action, "the request cannot be recorded in the audit log",
                retryAfter: .seconds(1), cause: error)
        }
        return row
    }

    /// Records how a request has ended. If that cannot be recorded the entry says `begun` for good, since the
    /// request has had its effect.
    func end(
        _ begun: AuditRow, status: Int, note: AuditNote.Content, operation: OperationID? = nil,
        fault: Fault? = nil
    ) async {
        let now = clock.now()
        var note = note
        let parts = [note.detail, fault.map { "could not \($0.doing): \($0.detail)" }].compactMap { $0 }
        note.detail = parts.isEmpty ? nil : AuditText.detail(parts.joined(separator: ": "))
        if begun.actor == AuditRow.nobody, fault != nil { countFailure(begun.origin) }
        let row = begun.ended(
            nextID(at: now), at: now, outcome: "\(status)", note, operation: operation)
        await appendOrLog(row)
        for (action, subject, detail) in note.others {
            await appendOrLog(
                AuditRow(
                    id: nextID(at: now), at: now, actor: row.actor, origin: row.origin, action: action,
                    subject: subject, outcome: row.outcome, requestID: row.requestID, detail: detail))
        }
    }

    /// Records a request that was refused before it was handled, unless its address has failed too often.
    func refused(_ request: AuditedRequest, _ fault: Fault) async {
        guard wait(request.origin) == nil else { return }
        countFailure(request.origin)
        var row = row(request)
        row.outcome = "\(fault.code.status.code)"
        row.detail = AuditText.detail("could not \(fault.doing): \(fault.detail)")
        await appendOrLog(row)
    }

    /// A page of entries, newest first; only those about `subject` and of `actor` when they are given.
    func list(
        subject: String?, actor: String?, after cursor: Cursor?, limit: Int, doing: String
    ) async throws -> Page<AuditEntry> {
        let position = try cursor.map {
            guard let id = UUIDv7($0.position) else {
                throw Fault(
                    .invalid, doing: doing, "expected a nextCursor of an earlier page", field: "cursor")
            }
            return id
        }
        let found = try await store.list(
            subject: subject, actor: actor, before: position, limit: limit + 1)
        let items = Array(found.prefix(limit))
        return Page(
            items: items, nextCursor: found.count > limit ? Cursor(items.last?.id.description).text : nil)
    }

    private func row(_ request: AuditedRequest) -> AuditRow {
        let now = clock.now()
        return AuditRow(
            id: nextID(at: now), at: now, actor: request.actor, origin: request.origin,
            action: request.action, subject: request.subject, operation: request.operation,
            requestID: request.requestID)
    }

    private func wait(_ origin: String) -> Duration? {
        strangers.withLock { $0.wait(origin, limit: Audit.failuresPerStranger, at: clock.now()) }
    }

    private func countFailure(_ origin: String) {
        strangers.withLock { $0.count(origin, at: clock.now()) }
    }

    private func nextID(at now: Timestamp) -> UUIDv7 { ids.withLock { $0.next(at: now) } }

    private func appendOrLog(_ row: AuditRow) async {
        do {
            try await store.append(row)
        } catch {
            logger.error(
                "the audit log lacks an outcome: \(error)",
                metadata: ["action": "\(row.action)", "actor": "\(row.actor)", "outcome": "\(row.outcome)"])
        }
    }
}
