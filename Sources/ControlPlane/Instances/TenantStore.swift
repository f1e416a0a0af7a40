import Contract
import Kernel
import Postgres
import TenantSchema
import Workflow

/// A brand's place in the brands database: its two roles, its schema, and what is projected into it.
///
/// Roles and schema carry the brand's id as their comment. What carries another comment is not ours: it is
/// neither taken over nor dropped.
struct TenantStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    /// How long the runtime role's statements, waits for locks, and idle transactions may take at most.
    private static let timeouts = [
        ("statement_timeout", "60s"), ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "30s"),
    ]

    /// A killed instance's sessions may still be ending when its successor connects.
    private static let connectionsPerConnection = 2

    /// Makes the owner role and the runtime role, or sets an earlier attempt's right.
    func createRoles(_ instance: Instance, verifier: ScramVerifier) async throws {
        let slug = instance.slug
        try await changing { transaction in
            try await createRole(slug.ownerRole, of: instance.brand, in: transaction)
            try await createRole(slug.runtimeRole, of: instance.brand, in: transaction)
            let database = try await database(transaction)
            try await takeTurn(in: transaction)
            try await transaction.run(
                all: TenantStore.rights(
                    of: slug, connections: "\(TenantStore.limit(instance))", verifier: verifier.text,
                    database: database))
        }
    }

    /// What makes two roles a brand's: who may log in and how, and with which defaults.
    private static func rights(
        of slug: Slug, connections: String, verifier: String, database: String
    ) -> [SQL] {
        let owner: SQL = "\(identifier: slug.ownerRole)"
        let runtime: SQL = "\(identifier: slug.runtimeRole)"
        let statements: [SQL] = [
            "alter role \(owner) nologin",
            "grant \(owner), \(runtime) to current_user",
            """
            alter role \(runtime) login connection limit \(raw: connections) password \(literal: verifier)
            """,
            "alter role \(runtime) set search_path = \(identifier: slug.schemaName)",
            "grant connect, temporary on database \(identifier: database) to \(runtime)",
        ]
        return statements
            + TenantStore.timeouts.map {
                "alter role \(runtime) set \(raw: $0.0) = \(literal: $0.1)"
            }
    }

    /// The statements of `createRoles`, with placeholders for what is chosen later.
    static func plannedRoles(_ slug: Slug) -> [PlannedEffect] {
        let made = [slug.ownerRole, slug.runtimeRole].map { "create role \"\($0)\"" }
        let rights = rights(
            of: slug, connections: "<of the plan>", verifier: "<password>", database: "<brands database>")
        return (made + rights.map(\.shown)).map { PlannedEffect("brands database", $0) }
    }

    /// The statements of `createSchema`, but for the tables.
    static func plannedSchema(_ slug: Slug) -> [PlannedEffect] {
        [
            "create schema \"\(slug.schemaName)\" authorization \"\(slug.ownerRole)\"",
            "create the tables of the tenant schema, version \(TenantSchema.version)",
        ].map { PlannedEffect("brands database", $0) }
            + TenantSchema.grants(runtimeRole: slug.runtimeRole, schema: slug.schemaName)
            .split(separator: "\n").map { PlannedEffect("brands database", String($0)) }
    }

    /// How many connections the runtime role may have.
    static func limit(_ instance: Instance) -> Int { limit(connections: instance.connections) }

    /// How many connections the runtime role may have of an instance that may hold so many.
    static func limit(connections: Int) -> Int { connections * TenantStore.connectionsPerConnection }

    /// The runtime role's settings as the catalog has them.
    static func settings(of slug: Slug) -> [String] {
        ([("search_path", slug.schemaName)] + timeouts).map { "\($0.0)=\($0.1)" }
    }

    /// Allows the runtime role as many connections as the plan says.
    func limitConnections(_ instance: Instance) async throws {
        try await changing { transaction in
            try await transaction.run(
                """
                alter role \(identifier: instance.slug.runtimeRole)
                    connection limit \(raw: "\(TenantStore.limit(instance))")
                """)
        }
    }

    /// Drops both roles with whatever they own or were granted, and ends their sessions.
    func dropRoles(_ slug: Slug, of brand: BrandID) async throws {
        for role in [slug.runtimeRole, slug.ownerRole] {
            try await changing { transaction in
                guard try await roleComment(role, in: transaction) == mark(brand) else { return }
                try await takeTurn(in: transaction)
                try await transaction.run(all: [
                    "select pg_terminate_backend(pid) from pg_stat_activity where usename = \(role)",
                    "drop owned by \(identifier: role) cascade",
                    "drop role \(identifier: role)",
                ])
            }
        }
    }

    /// Makes the schema with all tables and grants in one transaction; an existing one of the brand stays.
    func createSchema(_ instance: Instance) async throws {
        let slug = instance.slug
        try await changing { transaction in
            guard try await !schemaExists(slug, of: instance.brand, in: transaction) else { return }
            try await transaction.run(all: [
                "create schema \(identifier: slug.schemaName) authorization \(identifier: slug.ownerRole)",
                "comment on schema \(identifier: slug.schemaName) is \(literal: mark(instance.brand))",
            ])
            try await beOwner(slug, in: transaction)
            try await transaction.runScript(TenantSchema.sql)
            try await transaction.runScript(
                TenantSchema.grants(runtimeRole: slug.runtimeRole, schema: slug.schemaName))
            try await transaction.run("insert into writer_lease (generation) values (\(instance.generation))")
        }
    }

    /// Whether there is a schema of the brand's name.
    func hasSchema(_ slug: Slug) async throws -> Bool {
        try await !pool.run("select from pg_namespace where nspname = \(slug.schemaName)").isEmpty
    }

    /// Drops the schema with everything in it.
    func dropSchema(_ slug: Slug, of brand: BrandID) async throws {
        try await changing { transaction in
            guard try await schemaExists(slug, of: brand, in: transaction) else { return }
            try await transaction.run("drop schema \(identifier: slug.schemaName) cascade")
        }
    }

    /// Makes the partitions of raw events that the coming months need. Where somebody reads the table for
    /// long, such as a backup, it leaves that for another time: everybody else would wait behind it.
    func ensurePartitions(_ slug: Slug) async throws {
        do {
            try await changing { transaction in
                try await beOwner(slug, in: transaction)
                try await transaction.run(all: [
                    "set local lock_timeout = '2s'", "select ensure_event_partitions(12)",
                ])
            }
        } catch let error as PostgresError where TenantStore.isBusy(error) {
            return
        }
    }

    /// What the brand has used of its plan.
    struct Usage: Sendable {
        let month: UsageView.Month
        let events: Int
        let testEvents: Int
        let profiles: Int
        /// How long ago the oldest month ended of which there are raw events as they were sent.
        let retentionDays: Int
    }

    /// What the brand has used in the month of `timeZone` that `instant` lies in.
    func usage(_ slug: Slug, at instant: Timestamp, timeZone: String) async throws -> Usage {
        try await pool.transaction { transaction in
            try await beOwner(slug, in: transaction)
            let rows = try await transaction.run(
                """
                select month_start, month_end, used.events, used.test_events, profiles, greatest(0, (
                    select extract(day from \(instant)::timestamptz
                        - (date_trunc('month', min(created_at), 'UTC') + interval '1 month'))
                    from customer_raw_event, fold_checkpoint where created_at >= received_before))::bigint
                from month_usage(\(instant), \(timeZone)) as used cross join brand_totals
                """)
            let (start, end, events, testEvents, profiles, days) = try rows[0].decode(
                (Timestamp, Timestamp, Int64, Int64, Int64, Int64).self)
            return Usage(
                month: .init(from: start, to: end), events: Int(events), testEvents: Int(testEvents),
                profiles: Int(profiles), retentionDays: Int(days))
        }
    }

    /// Whether the brand has any event that counts.
    func hasEvents(_ slug: Slug) async throws -> Bool {
        try await pool.transaction { transaction in
            try await beOwner(slug, in: transaction)
            return try await !transaction.run("select from customer_raw_event where not test limit 1").isEmpty
        }
    }

    /// Whether the brand has rates, each of them into its present currency.
    func hasRates(_ slug: Slug) async throws -> Bool {
        try await pool.transaction { transaction in
            try await beOwner(slug, in: transaction)
            return try await !transaction.run("select from currency_rate where rate is not null limit 1")
                .isEmpty
        }
    }

    /// Writes all of `projection`, unless the schema has its revision or a later one; the brand's own schema
    /// where no other is named.
    func write(_ projection: Projection, to schema: String? = nil) async throws {
        let settings = try JSONB(encoding: projection.settings)
        let limits = try JSONB(encoding: projection.limits)
        try await changing { transaction in
            try await beOwner(projection.slug, schema: schema, in: transaction)
            let written = try await transaction.run(
                """
                insert into brand_state (brand_id, slug, status, status_reason, settings, limits, token_keys,
                    revision, schema_version, updated_at)
                values (\(projection.brand), \(projection.slug), \(projection.status),
                    \(projection.statusReason), \(settings), \(limits), \(projection.tokenKeys),
                    \(projection.revision),
                    \(TenantSchema.version), \(clock.now()))
                on conflict (id) do update set status = excluded.status,
                    status_reason = excluded.status_reason, settings = excluded.settings,
                    limits = excluded.limits, token_keys = excluded.token_keys,
                    revision = excluded.revision, updated_at = excluded.updated_at
                where brand_state.revision < excluded.revision
                """)
            guard written.affected == 1 else { return }
            try await replaceKeys(projection.keys, in: transaction)
        }
    }

    private func replaceKeys(_ keys: [Projection.Key], in transaction: PostgresTransaction) async throws {
        try await transaction.run(all: [
            "delete from api_key",
            """
            insert into api_key (public_id, hash, environment, scopes, origins, events_per_second,
                requests_per_second, expires_at, revoked_at)
            \(TenantStore.rows(of: keys))
            """,
        ])
    }

    /// A query of the rows that a schema's table `api_key` must have.
    static func rows(of keys: [Projection.Key]) -> SQL {
        """
        select public_id, hash, environment, string_to_array(scopes, ' ') as scopes,
            string_to_array(origins, ' ') as origins, events_per_second::integer,
            requests_per_second::integer, expires_at, revoked_at
        from unnest(\(keys.map(\.publicId)), \(keys.map(\.hash)), \(keys.map(\.environment)),
            \(keys.map { $0.scopes.joined(separator: " ") }),
            \(keys.map { $0.origins.joined(separator: " ") }), \(keys.map(\.eventsPerSecond)),
            \(keys.map(\.requestsPerSecond)), \(keys.map(\.expiresAt)), \(keys.map(\.revokedAt)))
            as key (public_id, hash, environment, scopes, origins, events_per_second, requests_per_second,
                expires_at, revoked_at)
        """
    }

    /// When keys were last used, by public id, as the instance has written down. It wakes nobody. No key of
    /// a brand that has no schema yet, or none any more, was ever used.
    func keyUses(_ slug: Slug, of keys: [String]) async throws -> [String: Timestamp] {
        do {
            return try await pool.transaction { transaction in
                try await beOwner(slug, in: transaction)
                let rows = try await transaction.run(
                    "select public_id, last_used_at from api_key_use where public_id = any(\(keys))")
                return Dictionary(uniqueKeysWithValues: try rows.decode((String, Timestamp).self))
            }
        } catch let error as PostgresError where error.isUndefined {
            return [:]
        }
    }

    /// A transaction that changes something, which only a daemon that leads may.
    @discardableResult
    func changing<T: Sendable>(_ body: (PostgresTransaction) async throws -> T) async throws -> T {
        try await pool.transaction { transaction in
            try await LeadershipStore.requireTerm(in: transaction)
            let value = try await body(transaction)
            try Failpoint.effect()
            return value
        }
    }

    /// Waits until no other transaction changes who may do what with the database, until the end of this one.
    ///
    /// Those rights are all in one row of `pg_database`, and PostgreSQL fails the second of two transactions
    /// that change it at once ("tuple concurrently updated").
    private func takeTurn(in transaction: PostgresTransaction) async throws {
        try await LeadershipStore.takeTurn(in: transaction)
    }

    /// From here to its end the transaction acts as the brand's owner role, inside the brand's schema.
    func beOwner(
        _ slug: Slug, schema: String? = nil, in transaction: PostgresTransaction
    ) async throws {
        try await transaction.run(all: [
            "set local role \(identifier: slug.ownerRole)",
            "set local search_path = \(identifier: schema ?? slug.schemaName)",
        ])
    }

    private func createRole(
        _ role: String, of brand: BrandID, in transaction: PostgresTransaction
    ) async throws {
        if let comment = try await roleComment(role, in: transaction) {
            guard comment == mark(brand) else {
                throw Fault(
                    .conflict, doing: "create the role '\(role)'", "one exists that is not this brand's")
            }
            return
        }
        try await transaction.run(all: [
            "create role \(identifier: role)",
            "comment on role \(identifier: role) is \(literal: mark(brand))",
        ])
    }

    /// The role's comment, empty when it has none; nil when there is no such role.
    private func roleComment(_ role: String, in transaction: PostgresTransaction) async throws -> String? {
        try await transaction.run(
            """
            select coalesce(shobj_description(oid, 'pg_authid'), '') from pg_roles where rolname = \(role)
            """
        ).first?.decode(0, as: String.self)
    }

    private func schemaExists(
        _ slug: Slug, of brand: BrandID, in transaction: PostgresTransaction
    ) async throws -> Bool {
        let comment = try await transaction.run(
            """
            select coalesce(obj_description(oid, 'pg_namespace'), '') from pg_namespace
            where nspname = \(slug.schemaName)
            """
        ).first?.decode(0, as: String.self)
        guard let comment else { return false }
        guard comment == mark(brand) else {
            throw Fault(
                .conflict, doing: "use the schema '\(slug.schemaName)'", "one exists that is not this brand's"
            )
        }
        return true
    }

    private func database(_ transaction: PostgresTransaction) async throws -> String {
        let rows = try await transaction.run("select current_database()::text")
        return try rows[0].decode(0, as: String.self)
    }

    private func mark(_ brand: BrandID) -> String { TenantStore.mark(brand) }

    /// The comment on what is a brand's.
    static func mark(_ brand: BrandID) -> String { "\(mark) \(brand)" }

    /// What every such comment begins with.
    static let mark = "ConstIntel brand"
}
