import Contract
import Foundation
import Kernel
import Postgres
import Workflow

/// The settings in the table `brand`, and the table `brand_settings_version` with their history.
struct SettingsStore: Sendable {
    let pool: PostgresPool

    /// The columns that `settings` reads.
    static let columns: SQL = "brand.name, domain, industry, country, time_zone, currency, settings"

    /// What has no column of its own.
    private struct Others: Codable {
        var contactEmail: String?
        var contactPhone: String?
        var retentionDays: Int?
        var features: [String: Bool]?
        var origins: [String]?
    }

    /// The settings of a row with `columns`.
    static func settings(_ row: PostgresRow) throws -> BrandSettings {
        var settings = BrandSettings(
            name: try row.decode("name"), country: try row.decode("country"),
            timeZone: try row.decode("time_zone"), currency: try row.decode("currency"))
        settings.domain = try row.decode("domain")
        settings.industry = try row.decode("industry")
        let others = try row.decode("settings", as: JSONB.self).decode(Others.self)
        settings.contactEmail = others.contactEmail
        settings.contactPhone = others.contactPhone
        settings.retentionDays = others.retentionDays
        settings.features = others.features
        settings.origins = others.origins
        return settings
    }

    /// Makes the settings those of `intent`, and its version the last of the history.
    static func write(
        _ intent: BrandIntent, over before: BrandIntent, of slug: Slug, by operation: UUIDv7,
        at now: Timestamp, in transaction: PostgresTransaction
    ) async throws {
        let settings = intent.settings
        let others = try JSONB(
            encoding: Others(
                contactEmail: settings.contactEmail, contactPhone: settings.contactPhone,
                retentionDays: settings.retentionDays, features: settings.features,
                origins: settings.origins))
        try await transaction.run(
            """
            update brand set name = \(settings.name), domain = \(settings.domain),
                industry_since = case when industry is distinct from \(settings.industry)
                    then \(now) else industry_since end,
                industry = \(settings.industry), country = \(settings.country),
                time_zone = \(settings.timeZone), currency = \(settings.currency), settings = \(others),
                settings_version = \(intent.settingsVersion)
            where slug = \(slug)
            """)
        if intent.settingsVersion < before.settingsVersion {
            try await transaction.run(
                """
                delete from brand_settings_version using brand
                where brand.id = brand_id and slug = \(slug) and version > \(intent.settingsVersion)
                """)
        } else if intent.settingsVersion > before.settingsVersion {
            try await transaction.run(
                """
                insert into brand_settings_version
                    (brand_id, version, at, actor, operation_id, before, after)
                select brand.id, \(intent.settingsVersion)::bigint, \(now)::timestamptz, requested_by,
                    operation.id, \(JSONB(encoding: before.settings))::jsonb,
                    \(JSONB(encoding: settings))::jsonb
                from brand, operation where slug = \(slug) and operation.id = \(operation)
                """)
        }
    }

    /// The settings of a brand and their version; nil when there is no such brand.
    func present(_ slug: Slug) async throws -> BrandSettingsView? {
        try await pool.run(
            "select settings_version, \(SettingsStore.columns) from brand where slug = \(slug)"
        )
        .first.map { row in
            BrandSettingsView(
                version: try row.decode("settings_version"), settings: try SettingsStore.settings(row))
        }
    }

    /// Changes of a brand's settings, the newest first; those before `version` where it is given.
    func history(_ slug: Slug, before version: Int64?, limit: Int) async throws -> [BrandSettingsVersion] {
        try await pool.run(
            """
            select version, at, actor, operation_id, before, after
            from brand_settings_version join brand on brand.id = brand_id
            where slug = \(slug) and (\(version)::bigint is null or version < \(version))
            order by version desc limit \(limit)
            """
        ).map { row in
            let (version, at, actor, operation, before, after) = try row.decode(
                (Int64, Timestamp, String, UUIDv7, JSONB, JSONB).self)
            return BrandSettingsVersion(
                version: version, at: at, actor: actor, operation: OperationID(operation),
                before: try before.decode(BrandSettings.self), after: try after.decode(BrandSettings.self))
        }
    }

    /// The settings as `version` had them; nil when there is no such version before the present one.
    func settings(
        of slug: Slug, at version: Int64, in transaction: PostgresTransaction
    ) async throws -> BrandSettings? {
        try await transaction.run(
            """
            select before from brand_settings_version join brand on brand.id = brand_id
            where slug = \(slug) and version = \(version) + 1
            """
        ).first.map { try $0.decode(0, as: JSONB.self).decode(BrandSettings.self) }
    }

    /// The brand's plan and its limits.
    func plan(of slug: Slug, in transaction: PostgresTransaction) async throws -> (String, Plan.Limits)? {
        try await transaction.run(
            "select plan.name, limits from brand join plan on plan.name = brand.plan where slug = \(slug)"
        ).first.map { row in
            let (name, limits) = try row.decode((String, JSONB).self)
            return (name, try limits.decode(Plan.Limits.self))
        }
    }
}
