import Contract
import ControlSchema
import Kernel
import Postgres
import Sealing

/// A brand that has been provisioned, as the control database means it and has seen it.
struct CheckedBrand: Sendable {
    let id: BrandID
    let slug: Slug
    let status: BrandView.Status
    let intent: Instance.Intent
    let generation: Int64
    let revision: Int64
    /// When what is meant last changed.
    let changedAt: Timestamp
    let pausedReason: String?
    /// Database connections that its instance may hold.
    let connections: Int
    /// Events that may wait in its stream.
    let streamEntries: Int
    let redisPassword: SealedSecret
    /// How reconciling it goes.
    let failures: Int
    let error: String?
    let quarantinedUntil: Timestamp?

    var isDeleted: Bool { status == .deleted }
    /// Whether a process is meant to run.
    var isToRun: Bool { intent == .running && !isDeleted }
}

/// What checks read of the control database's brands, operations and rights.
struct FleetCheckStore: Sendable {
    let pool: PostgresPool

    /// Brands that are read at once.
    private static let pageSize = 500
    /// Operations that are looked at.
    private static let operations = 200

    /// Every brand that was provisioned and that no operation is changing, by slug: while one does, nothing
    /// of its brand needs to be as it is meant.
    func settledBrands() async throws -> [CheckedBrand] {
        var brands: [CheckedBrand] = []
        var page: [CheckedBrand] = []
        repeat {
            page = try await self.page(after: page.last?.slug.text ?? "")
            brands += page
        } while page.count == FleetCheckStore.pageSize
        return brands
    }

    private func page(after cursor: String) async throws -> [CheckedBrand] {
        try await pool.run(
            """
            select brand.id, slug, status, intent, generation, revision, instance.updated_at, paused_reason,
                (limits->>'connections')::int, (limits->>'streamEntries')::int, sealed_redis_password,
                coalesce(failures, 0), observation.error, quarantined_until
            from brand join instance on instance.brand_id = brand.id join plan on plan.name = brand.plan
                left join observation on observation.brand_id = brand.id
            where slug > \(cursor) and status <> 'provisioning' and not exists (
                select 1 from operation where subject = slug
                    and operation.state in ('pending', 'running', 'unwinding', 'stuck'))
            order by slug limit \(FleetCheckStore.pageSize)
            """
        ).map(decode)
    }

    private func decode(_ row: PostgresRow) throws -> CheckedBrand {
        let (
            id, slug, status, intent, generation, revision, changedAt, paused, connections, entries, password,
            failures, error, until
        ) = try row.decode(
            (
                BrandID, Slug, String, String, Int64, Int64, Timestamp, String?, Int, Int, String, Int,
                String?, Timestamp?
            ).self)
        guard let status = BrandView.Status(rawValue: status) else {
            throw Fault(.internal, doing: "read the brand '\(slug)'", "its state is unknown here")
        }
        return CheckedBrand(
            id: id, slug: slug, status: status, intent: Instance.Intent(rawValue: intent) ?? .stopped,
            generation: generation, revision: revision, changedAt: changedAt, pausedReason: paused,
            connections: connections, streamEntries: entries, redisPassword: SealedSecret(text: password),
            failures: failures, error: error, quarantinedUntil: until)
    }

    /// An operation that is not over.
    struct OpenOperation: Sendable {
        let id: String
        let kind: String
        let subject: String
        let state: String
        let step: String?
        let createdAt: Timestamp
        let runbook: String
    }

    /// The operations that are not over, the oldest first.
    func openOperations() async throws -> [OpenOperation] {
        try await pool.run(
            """
            select id::text, kind, subject, state, step, created_at, runbook from operation
            where state in ('pending', 'running', 'unwinding', 'stuck')
            order by id limit \(FleetCheckStore.operations)
            """
        ).decode((String, String, String, String, String?, Timestamp, String).self).map {
            OpenOperation(
                id: $0, kind: $1, subject: $2, state: $3, step: $4, createdAt: $5, runbook: $6)
        }
    }

    /// Every brand's name and id, those that are being made or removed and those whose data is gone too.
    struct Names: Sendable {
        var present: [Slug: BrandID] = [:]
        var retired: Set<BrandID> = []
    }

    func names() async throws -> Names {
        let rows = try await pool.run(
            """
            select slug, id, true from brand union all select slug, brand_id, false from retired_slug
            """
        ).decode((Slug, BrandID, Bool).self)
        var names = Names()
        for (slug, id, isPresent) in rows {
            if isPresent { names.present[slug] = id } else { names.retired.insert(id) }
        }
        return names
    }

    /// What the daemon's role may do with each table, and whether writes to the table are held to the term.
    func tables() async throws -> [(name: String, rights: [String], isGuarded: Bool)] {
        try await pool.run(
            """
            select tablename::text, array(
                    select name from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE',
                        'REFERENCES', 'TRIGGER']) as name
                    where has_table_privilege(\(ControlSchema.role), quote_ident(tablename), name)),
                exists (
                    select from pg_trigger where tgrelid = quote_ident(tablename)::regclass
                        and tgname = 'leader_only' and tgenabled = 'O')
            from pg_tables where schemaname = 'public' order by tablename
            """
        ).decode((String, [String], Bool).self).map { (name: $0, rights: $1, isGuarded: $2) }
    }

    /// Whether the daemon's role may do more than rows need: log in, or make roles or databases.
    func isRoleMighty() async throws -> Bool {
        try await pool.run(
            """
            select rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
            from pg_roles where rolname = \(ControlSchema.role)
            """
        ).first?.decode(Bool.self) ?? true
    }
}
