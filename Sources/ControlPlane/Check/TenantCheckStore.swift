import Kernel
import Postgres
import TenantSchema

/// What checks read of the brands database: its catalog for all brands at once, and a row of each schema.
struct TenantCheckStore: Sendable {
    let pool: PostgresPool

    /// Schemas that one statement reads tables of: each takes locks.
    private static let pageSize = 50
    /// Rights that are told; past those it is everything.
    private static let rights = 1000

    /// A brand's schema in the catalog.
    struct Schema: Sendable {
        let isThere: Bool
        /// Whether its comment says that it is the brand's.
        let isMarked: Bool
        let isOwned: Bool
        let missingTables: [String]
        /// Whether the default partition has ever held events since it was last emptied.
        let mayHoldUnforeseen: Bool
    }

    func schemas(of brands: [CheckedBrand]) async throws -> [Slug: Schema] {
        let rows = try await pool.run(
            """
            select slug, found.oid is not null,
                coalesce(obj_description(found.oid, 'pg_namespace') = mark, false),
                coalesce(pg_get_userbyid(found.nspowner)::text = owner, false),
                array(
                    select name from unnest(\(TenantSchema.tables)) as name where not exists (
                        select from pg_class where relnamespace = found.oid and relname = name
                            and relkind in ('r', 'p'))),
                coalesce((
                    select pg_relation_size(oid) > 0 from pg_class
                    where relnamespace = found.oid and relname = 'customer_raw_event_default'), false)
            from \(names(of: brands)) left join pg_namespace as found on nspname = schema
            """
        ).decode((Slug, Bool, Bool, Bool, [String], Bool).self)
        return Dictionary(
            uniqueKeysWithValues: rows.map {
                (
                    $0,
                    Schema(
                        isThere: $1, isMarked: $2, isOwned: $3, missingTables: $4, mayHoldUnforeseen: $5)
                )
            })
    }

    /// What a brand's schema says of itself; nil where the row is gone.
    struct State: Sendable {
        let schemaVersion: Int?
        let revision: Int64?
        let status: String?
        let generation: Int64?
        /// Whether there are events for which no partition was made.
        let hasUnforeseenEvents: Bool
    }

    /// The states of the brands whose schemas have what is read.
    func states(of brands: [CheckedBrand]) async throws -> [Slug: State] {
        let schemas = try await schemas(of: brands)
        let needed: Set = ["brand_state", "writer_lease", "customer_raw_event_default"]
        let readable = brands.filter { brand in
            schemas[brand.slug].map { $0.isThere && needed.isDisjoint(with: $0.missingTables) } ?? false
        }
        var states: [Slug: State] = [:]
        for start in stride(from: 0, to: readable.count, by: TenantCheckStore.pageSize) {
            let page = readable[start..<min(start + TenantCheckStore.pageSize, readable.count)]
            for (slug, version, revision, status, generation, isUnforeseen) in try await pool.run(
                statement(page, schemas)
            ).decode((Slug, Int?, Int64?, String?, Int64?, Bool).self) {
                states[slug] = State(
                    schemaVersion: version, revision: revision, status: status, generation: generation,
                    hasUnforeseenEvents: isUnforeseen)
            }
        }
        return states
    }

    /// Opening a partition costs a catalog look for each of its indexes, so only those that may hold
    /// something are opened.
    private func statement(_ brands: some Collection<CheckedBrand>, _ schemas: [Slug: Schema]) -> SQL {
        var statement: SQL = ""
        for (index, brand) in brands.enumerated() {
            let schema: SQL = "\(identifier: brand.slug.schemaName)"
            let isFilled: SQL = "exists (select from \(schema).customer_raw_event_default)"
            let isOpened = schemas[brand.slug]?.mayHoldUnforeseen ?? false
            if index > 0 { statement += " union all " }
            statement += """
                select \(brand.slug)::text, state.schema_version, state.revision, state.status,
                    lease.generation, \(isOpened ? isFilled : "false")
                from (values (1)) as always (id) left join \(schema).brand_state as state using (id)
                    left join \(schema).writer_lease as lease using (id)
                """
        }
        return statement
    }

    /// For each brand the months, from this one to the twelfth after it, whose partition is missing.
    func missingPartitions(of brands: [CheckedBrand]) async throws -> [Slug: [String]] {
        let rows = try await pool.run(
            """
            select slug, array(
                select to_char(month, 'YYYY_MM')
                from generate_series(0, 12) as ahead, lateral (
                    select date_trunc('month', now() at time zone 'UTC')
                        + make_interval(months => ahead) as month) as due
                where not exists (
                    select from pg_inherits join pg_class as part on part.oid = inhrelid
                    where inhparent = parent.oid
                        and part.relname = 'customer_raw_event_' || to_char(month, 'YYYY_MM'))
                order by month)
            from \(names(of: brands)) join pg_namespace on nspname = schema
                join pg_class as parent
                    on relnamespace = pg_namespace.oid and relname = 'customer_raw_event'
            """
        ).decode((Slug, [String]).self)
        return Dictionary(uniqueKeysWithValues: rows)
    }

    /// One role of a brand in the catalog.
    struct Role: Sendable {
        let slug: Slug
        let name: String
        let isThere: Bool
        let isMarked: Bool
        let canLogIn: Bool
        /// Whether it may do more than a brand's role ever needs, such as make roles.
        let isMighty: Bool
        let connections: Int
        /// `name=value`, of any database.
        let settings: [String]
        /// Roles whose rights it has.
        let memberships: [String]
        /// Tables that it owns, less temporary ones.
        let owned: [String]
        let canConnect: Bool
    }

    /// Both roles of every brand.
    func roles(of brands: [CheckedBrand]) async throws -> [Role] {
        try await pool.run(
            """
            select slug, wanted.name, found.oid is not null,
                coalesce(shobj_description(found.oid, 'pg_authid') = mark, false),
                coalesce(rolcanlogin, false),
                coalesce(rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls, false),
                coalesce(rolconnlimit, 0),
                array(
                    select setting from pg_db_role_setting, unnest(setconfig) as setting
                    where setrole = found.oid order by setting),
                array(select pg_get_userbyid(roleid)::text from pg_auth_members where member = found.oid),
                array(
                    select relname::text
                    from pg_shdepend join pg_class on classid = 'pg_class'::regclass and pg_class.oid = objid
                        join pg_namespace on pg_namespace.oid = relnamespace
                    where refclassid = 'pg_authid'::regclass and refobjid = found.oid and deptype = 'o'
                        and dbid = (select oid from pg_database where datname = current_database())
                        and wanted.name = runtime and nspname !~ '^pg_(toast_)?temp'
                    limit 3),
                coalesce(has_database_privilege(found.oid, current_database(), 'connect'), false)
            from \(names(of: brands)) cross join lateral (values (owner), (runtime)) as wanted (name)
                left join pg_roles as found on rolname = wanted.name
            """
        ).decode((Slug, String, Bool, Bool, Bool, Bool, Int, [String], [String], [String], Bool).self).map {
            Role(
                slug: $0, name: $1, isThere: $2, isMarked: $3, canLogIn: $4, isMighty: $5, connections: $6,
                settings: $7, memberships: $8, owned: $9, canConnect: $10)
        }
    }

    /// A right in a brand's schema that is not as it is meant.
    struct Right: Sendable {
        let slug: Slug
        /// Such as `insert on consent to brand_acme`.
        let text: String
        /// Whether it is there, and should not be; else it is missing.
        let isThere: Bool
    }

    /// Where rights in brands' schemas, their tables, columns and functions are others than the tenant
    /// schema's; the owner's own are not looked at.
    func oddRights(in brands: [CheckedBrand]) async throws -> [Right] {
        let meant = TenantSchema.rights
        return try await pool.run(
            """
            with brand as (
                select slug, found.oid as schema, runtime
                from \(names(of: brands)) join pg_namespace as found on nspname = schema
            ), object as (
                select slug, 'the schema' as name, nspacl as acl, nspowner as owner
                from brand join pg_namespace on oid = schema
                union all
                select slug, relname::text, relacl, relowner from brand join pg_class on relnamespace = schema
                union all
                select slug, relname || '.' || attname, attacl, relowner
                from brand join pg_class on relnamespace = schema
                    join pg_attribute on attrelid = pg_class.oid and attacl is not null
                union all
                select slug, proname || '()', coalesce(proacl, acldefault('f', proowner)), proowner
                from brand join pg_proc on pronamespace = schema
            ), found as (
                select slug, lower(privilege_type) || ' on ' || name || ' to '
                    || case grantee when 0 then 'everybody' else pg_get_userbyid(grantee)::text end
                    || case when is_grantable then ' with grant option' else '' end as what
                from object cross join lateral aclexplode(acl) where grantee <> owner
            ), meant as (
                select slug, privilege || ' on ' || name || ' to ' || runtime as what
                from brand cross join unnest(\(meant.map(\.privilege)), \(meant.map(\.object)))
                    as wanted (privilege, name)
            )
            select slug, what, false from (table meant except table found) as missing
            union all select slug, what, true from (table found except table meant) as odd
            order by 1, 2 limit \(TenantCheckStore.rights)
            """
        ).decode((Slug, String, Bool).self).map { Right(slug: $0, text: $1, isThere: $2) }
    }

    /// Schemas and roles that carry the mark of a brand, with that brand's id; of roles those that have
    /// something to do with this database, since others of the server are other installations'.
    func marked() async throws -> [(name: String, mark: String, isOfHere: Bool)] {
        try await pool.run(
            """
            select 'schema ' || nspname, obj_description(oid, 'pg_namespace'), true from pg_namespace
            where obj_description(oid, 'pg_namespace') like \(TenantStore.mark + "%")
            union all
            select 'role ' || rolname, shobj_description(oid, 'pg_authid'), exists (
                select from pg_shdepend, (
                    select oid as here from pg_database where datname = current_database()) as database
                where refclassid = 'pg_authid'::regclass and refobjid = pg_roles.oid
                    and (dbid = here or classid = 'pg_database'::regclass and objid = here))
            from pg_roles where shobj_description(oid, 'pg_authid') like \(TenantStore.mark + "%")
            order by 1
            """
        ).decode((String, String, Bool).self).map { (name: $0, mark: $1, isOfHere: $2) }
    }

    /// Brands as a table of the names that are derived from their slugs.
    private func names(of brands: [CheckedBrand]) -> SQL {
        let slugs = brands.map(\.slug)
        return """
            unnest(\(slugs.map(\.text)), \(slugs.map(\.schemaName)), \(slugs.map(\.ownerRole)),
                \(slugs.map(\.runtimeRole)), \(brands.map { TenantStore.mark($0.id) }))
                as brand_name (slug, schema, owner, runtime, mark)
            """
    }
}
