import Contract
import Kernel
import Postgres

/// The table `audit_log`: rows are added and read, and never changed. Nothing takes old rows away.
struct AuditStore: Sendable {
    let pool: PostgresPool

    /// Adds a row. One that names an operation and no subject is about the operation's subject.
    func append(_ row: AuditRow) async throws {
        try await pool.run(
            """
            insert into audit_log (id, at, actor, origin, action, subject, outcome, begun_by, operation_id,
                request_id, detail)
            values (\(row.id), \(row.at), \(row.actor), \(row.origin), \(row.action),
                coalesce(\(row.subject)::text,
                    (select subject from operation where id = \(row.operation?.uuid))),
                \(row.outcome), \(row.begunBy), \(row.operation?.uuid), \(row.requestID), \(row.detail))
            """)
    }

    /// A page of entries, newest first: of a request its outcome where there is one, else that it has begun.
    func list(
        subject: String?, actor: String?, before cursor: UUIDv7?, limit: Int
    ) async throws -> [AuditEntry] {
        try await pool.run(
            """
            select id, at, actor, origin, action, subject, outcome, operation_id, request_id, detail
            from audit_log
            where (\(subject)::text is null or subject = \(subject))
                and (\(actor)::text is null or actor = \(actor))
                and (\(cursor)::uuid is null or id < \(cursor))
                and not exists (select 1 from audit_log later where later.begun_by = audit_log.id)
            order by id desc limit \(limit)
            """
        ).map { row in
            let (id, at, actor, origin, action, subject, outcome, operation, requestID, detail) =
                try row.decode(
                    (
                        UUIDv7, Timestamp, String, String, String, String?, String, OperationID?, String?,
                        String?
                    ).self)
            return AuditEntry(
                id: id, at: at, actor: actor, origin: origin, action: action, subject: subject,
                outcome: outcome, operation: operation, requestId: requestID, detail: detail)
        }
    }
}
