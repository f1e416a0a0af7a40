import Contract
import Kernel
import Postgres
import Workflow

/// What is meant of brands, in the tables `brand` and `instance`.
struct BrandIntentStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    /// What is meant of the brand now.
    func read(_ slug: Slug) async throws -> BrandIntent {
        try await pool.transaction { try await read(slug, in: $0) }
    }

    /// The same within a change: nobody else changes the brand until `transaction` ends.
    ///
    /// - Throws: `Fault.notFound`, `Fault.conflict` before the brand was provisioned.
    func read(_ slug: Slug, in transaction: PostgresTransaction) async throws -> BrandIntent {
        let rows = try await transaction.run(
            """
            select plan, status, status_reason, resumes_as, trial_ends_at, status_before, purge_after, intent,
                release, previous_release, settings_version, \(SettingsStore.columns)
            from brand left join instance on brand_id = brand.id
            where slug = \(slug) for no key update of brand
            """)
        guard let row = rows.first else {
            throw Fault(.notFound, doing: "read the brand", "there is no brand '\(slug)'")
        }
        let status: String = try row.decode("status")
        let (reason, resumesAs, before): (String?, String?, String?) = (
            try row.decode("status_reason"), try row.decode("resumes_as"), try row.decode("status_before")
        )
        let intent: String? = try row.decode("intent")
        guard let intent, status != BrandView.Status.provisioning.rawValue else {
            throw Fault(.conflict, doing: "change the brand", "'\(slug)' is still being provisioned")
        }
        guard let status = BrandView.Status(rawValue: status), let intent = Instance.Intent(rawValue: intent)
        else {
            throw Fault(.internal, doing: "read the brand '\(slug)'", "its state is unknown here")
        }
        return BrandIntent(
            settings: try SettingsStore.settings(row), settingsVersion: try row.decode("settings_version"),
            plan: try row.decode("plan"), status: status, statusReason: reason,
            resumesAs: resumesAs.flatMap(BrandView.Status.init(rawValue:)),
            trialEndsAt: try row.decode("trial_ends_at"),
            statusBefore: before.flatMap(BrandView.Status.init(rawValue:)),
            purgeAfter: try row.decode("purge_after"), instance: intent, release: try row.decode("release"),
            previousRelease: try row.decode("previous_release"))
    }

    /// Makes `intent` what is meant; what is projected of it gets a new revision. Nothing happens when it is
    /// what is meant already.
    ///
    /// - Parameter operation: whose change it is, for the history of the settings.
    func write(_ intent: BrandIntent, of slug: Slug, by operation: UUIDv7) async throws {
        try await pool.transaction { transaction in
            let before = try await read(slug, in: transaction)
            guard before != intent else { return }
            let now = clock.now()
            try await transaction.run(
                """
                update brand set plan = \(intent.plan), status = \(intent.status.rawValue),
                    status_reason = \(intent.statusReason),
                    resumes_as = \(intent.resumesAs?.rawValue), trial_ends_at = \(intent.trialEndsAt),
                    status_before = \(intent.statusBefore?.rawValue), purge_after = \(intent.purgeAfter),
                    updated_at = \(now)
                where slug = \(slug)
                """)
            try await transaction.run(
                """
                update instance set intent = \(intent.instance.rawValue), release = \(intent.release),
                    previous_release = \(intent.previousRelease), revision = revision + 1, updated_at = \(now)
                from brand where brand.id = brand_id and slug = \(slug)
                """)
            try await SettingsStore.write(
                intent, over: before, of: slug, by: operation, at: now, in: transaction)
            try Failpoint.effect()
        }
    }

    /// Brands whose trial has ended and that no operation is changing.
    func trialsEnded(limit: Int) async throws -> [Slug] {
        try await pool.run(
            """
            select slug from brand
            where status = 'trial' and trial_ends_at <= \(clock.now()) and not exists (
                select from operation where subject = slug
                    and state in ('pending', 'running', 'unwinding', 'stuck'))
            order by trial_ends_at limit \(limit)
            """
        ).map { try $0.decode(0, as: Slug.self) }
    }

    /// Deleted brands whose grace period has passed and that no operation is changing.
    func due(limit: Int) async throws -> [Slug] {
        try await pool.run(
            """
            select slug from brand
            where purge_after <= \(clock.now()) and not exists (
                select from operation where subject = slug
                    and state in ('pending', 'running', 'unwinding', 'stuck'))
            order by purge_after limit \(limit)
            """
        ).map { try $0.decode(0, as: Slug.self) }
    }

    /// Removes everything that the control database has of a brand but its slug, which no other can have.
    ///
    /// The operation that does it stays, and the audit log.
    func retire(_ slug: Slug, except operation: UUIDv7) async throws {
        try await pool.transaction { transaction in
            try await transaction.run(
                """
                with gone as (
                    delete from brand where slug = \(slug) and status = 'deleted' returning slug, id
                )
                insert into retired_slug (slug, brand_id, retired_at)
                select slug, id, \(clock.now()) from gone
                """)
            try Failpoint.effect()
            try await transaction.run(
                """
                delete from operation
                where subject in (\(slug), \(slug.backupSubject)) and id <> \(operation)
                """)
        }
    }
}
