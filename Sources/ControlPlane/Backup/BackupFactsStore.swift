import Kernel
import Postgres

/// How brands stand with their backups, for `constintel check` and `/metrics`.
struct BackupFactsStore: Sendable {
    let pool: PostgresPool

    /// One brand.
    struct Facts: Sendable {
        let slug: Slug
        /// How often it is to be backed up; never by itself when nil.
        let everyHours: Int?
        let createdAt: Timestamp
        /// When its last backup was taken, and how long that took.
        let last: Timestamp?
        let tookSeconds: Double?
        /// Why the last try failed, where it was a later one.
        let failure: String?
        /// When its backups were last tried, and what was wrong.
        let drilledAt: Timestamp?
        let drillFailure: String?
    }

    /// All brands that are neither deleted nor being provisioned.
    func all() async throws -> [Facts] {
        try await pool.run(
            """
            select slug, (limits ->> 'backupHours')::bigint, created_at, newest.taken_at,
                extract(epoch from newest.written_at - newest.taken_at)::float8, failed.error,
                receipt.at, receipt.failure
            from brand join plan on plan.name = brand.plan
            left join lateral (
                select taken_at, written_at, id from backup where brand_id = brand.id
                order by taken_at desc, id desc limit 1
            ) as newest on true
            left join lateral (
                select coalesce(error, 'it failed') as error from operation
                where subject = slug || '/backup' and kind = 'brand.backup' and state in ('failed', 'stuck')
                  and (newest.id is null or operation.id > newest.id)
                order by operation.id desc limit 1
            ) as failed on true
            left join lateral (
                select at, failure from backup_receipt where brand_id = brand.id
                order by at desc, id desc limit 1
            ) as receipt on true
            where status not in ('provisioning', 'deleted') order by slug limit 100000
            """
        ).map { row in
            let (slug, hours, createdAt, last, took, failure, drilledAt, drillFailure) = try row.decode(
                (
                    Slug, Int64?, Timestamp, Timestamp?, Double?, String?, Timestamp?, String?
                ).self)
            return Facts(
                slug: slug, everyHours: hours.map { Int($0) }, createdAt: createdAt, last: last,
                tookSeconds: took, failure: failure, drilledAt: drilledAt, drillFailure: drillFailure)
        }
    }
}

extension BackupFactsStore.Facts {
    /// Two periods without a backup are one too many.
    func isOverdue(at now: Timestamp) -> Bool {
        guard let everyHours else { return false }
        return now - (last ?? createdAt) > .seconds(everyHours * 2 * 3600)
    }

    /// Two periods without a drill, of a brand that has a backup.
    func isDrillOverdue(at now: Timestamp) -> Bool {
        guard last != nil, everyHours != nil else { return false }
        return now - (drilledAt ?? createdAt) > Backups.drillPeriod * 2
    }
}
