import Backup
import Contract
import Kernel
import Postgres

/// The table `backup`: backups of brands that were written to their end.
struct BackupStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    /// One backup.
    struct Backup: Sendable {
        let id: UUIDv7
        let snapshot: String
        let takenAt: Timestamp
        let manifestHash: String
        let rows: Int64
        let bytes: Int64
        let addedBytes: Int64
        let totals: BackupManifest.Totals
    }

    /// Keeps a backup that was written; one that is kept already stays.
    ///
    /// - Parameter slug: nil for the control plane's own.
    func insert(_ backup: Backup, of slug: Slug?) async throws {
        try await pool.run(
            """
            insert into backup (id, brand_id, snapshot, taken_at, written_at, rows, bytes, added_bytes,
                manifest_hash, totals)
            select \(backup.id), brand.id, \(backup.snapshot), \(backup.takenAt), \(clock.now()),
                \(backup.rows), \(backup.bytes), \(backup.addedBytes), \(backup.manifestHash),
                \(try JSONB(encoding: backup.totals))
            from (select) as one left join brand on slug = \(slug)
            where \(slug)::text is null or brand.id is not null
            on conflict (id) do update set snapshot = excluded.snapshot
            """)
    }

    /// Forgets the backup of this operation.
    func delete(_ id: UUIDv7) async throws {
        try await pool.run("delete from backup where id = \(id)")
    }

    /// Forgets the backups with these snapshots.
    func delete(snapshots: [String]) async throws {
        try await pool.run("delete from backup where snapshot = any(\(snapshots))")
    }

    /// Whether there is a brand that was there at `instant`.
    func hasBrand(since instant: Timestamp) async throws -> Bool {
        try await !pool.run("select from brand where created_at <= \(instant) limit 1").isEmpty
    }

    /// When the control plane was last backed up.
    func newestOfControl() async throws -> Timestamp? {
        try await pool.run("select max(taken_at) from backup where brand_id is null")[0]
            .decode(0, as: Timestamp?.self)
    }

    /// The newest backup, or the one of this id.
    func backup(of slug: Slug, _ id: UUIDv7? = nil) async throws -> Backup? {
        try await pool.run(
            BackupStore.columns + """
                 from backup join brand on brand.id = brand_id
                where slug = \(slug) and (\(id)::uuid is null or backup.id = \(id))
                order by taken_at desc, backup.id desc limit 1
                """
        ).first.map(BackupStore.decode)
    }

    private static let columns: SQL = """
        select backup.id, snapshot, taken_at, manifest_hash, rows, bytes, added_bytes, totals
        """

    private static func decode(_ row: PostgresRow) throws -> Backup {
        let (id, snapshot, takenAt, hash, rows, bytes, added, totals) = try row.decode(
            (UUIDv7, String, Timestamp, String, Int64, Int64, Int64, JSONB).self)
        return Backup(
            id: id, snapshot: snapshot, takenAt: takenAt, manifestHash: hash, rows: rows, bytes: bytes,
            addedBytes: added, totals: try totals.decode(BackupManifest.Totals.self))
    }

    /// Backups of a brand, the newest first, taken before `cursor` where it is given; each with its last
    /// drill.
    /// Those of the control plane itself for nil.
    func list(of slug: Slug?, before cursor: UUIDv7?, limit: Int) async throws -> [BackupView] {
        try await pool.run(
            """
            select backup.id, taken_at, written_at, rows, bytes, added_bytes, totals, receipt.at,
                receipt.is_passed, receipt.failure
            from backup left join brand on brand.id = brand_id
            left join lateral (
                select at, is_passed, failure from backup_receipt
                where backup_id = backup.id order by at desc, id desc limit 1
            ) as receipt on true
            where slug is not distinct from \(slug) and (\(cursor)::uuid is null or backup.id < \(cursor))
            order by backup.id desc limit \(limit)
            """
        ).map { row in
            let (id, takenAt, writtenAt, rows, bytes, added, totals, at, isPassed, failure) = try row.decode(
                (
                    UUIDv7, Timestamp, Timestamp, Int64, Int64, Int64, JSONB, Timestamp?, Bool?, String?
                ).self)
            let held = try totals.decode(BackupManifest.Totals.self)
            return BackupView(
                id: OperationID(id), takenAt: takenAt, writtenAt: writtenAt, rows: rows, bytes: bytes,
                addedBytes: added, events: held.events, profiles: held.profiles, orders: held.orders,
                revenue: held.revenue,
                drill: at.map { .init(at: $0, isPassed: isPassed ?? false, failure: failure) })
        }
    }

    /// How long nothing is begun by itself after it has failed.
    private static let pause = Duration.seconds(3600)

    /// Whether an operation has failed within the pause.
    func hasFailedLately(_ kind: String, _ subject: String) async throws -> Bool {
        let now = clock.now()
        return try await !pool.run(
            """
            select from operation where subject = \(subject) and kind = \(kind) and state = 'failed'
                and updated_at > \(now - BackupStore.pause) and updated_at <= \(now) limit 1
            """
        ).isEmpty
    }

    /// What is known of a brand that may be due.
    struct Due: Sendable {
        let slug: Slug
        let everyHours: Int
        /// When its last backup was taken, and when it was made.
        let last: Timestamp?
        let createdAt: Timestamp
    }

    /// Brands behind `cursor` that are to be backed up by themselves, and have no backup or drill going on.
    ///
    /// - Parameter kind: what would be begun; a brand where that has just failed has a pause.
    func scheduled(_ kind: String, after cursor: String, limit: Int) async throws -> [Due] {
        let now = clock.now()
        return try await pool.run(
            """
            select slug, (limits ->> 'backupHours')::bigint, (
                select max(taken_at) filter (where taken_at <= \(now)) from backup
                where brand_id = brand.id), created_at
            from brand join plan on plan.name = brand.plan
            where slug > \(cursor) and status not in ('provisioning', 'deleted')
              and limits ->> 'backupHours' is not null and not exists (
                select from operation where subject = slug || '/backup'
                    and (state in ('pending', 'running', 'unwinding', 'stuck')
                        or kind = \(kind) and state = 'failed' and updated_at > \(now - BackupStore.pause)
                        and updated_at <= \(now)))
            order by slug limit \(limit)
            """
        ).decode((Slug, Int64, Timestamp?, Timestamp).self)
            .map { Due(slug: $0.0, everyHours: Int($0.1), last: $0.2, createdAt: $0.3) }
    }

    /// How many backups and drills have been begun and not ended.
    func open() async throws -> Int {
        try await Int(
            pool.run(
                """
                select count(*) from operation where kind in ('brand.backup', 'brand.verify')
                    and state in ('pending', 'running', 'unwinding')
                """)[0].decode(Int64.self))
    }

    /// How long backups of the brand are kept, by its plan.
    func keepDays(_ slug: Slug) async throws -> Int? {
        try await pool.run(
            """
            select (limits ->> 'backupKeepDays')::bigint from brand join plan on plan.name = brand.plan
            where slug = \(slug)
            """
        ).first?.decode(0, as: Int64?.self).map { Int($0) }
    }
}
