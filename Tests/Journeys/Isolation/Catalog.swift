import Kernel
import Postgres

/// One thing in the live catalog that a brand may be tempted by.
struct CatalogObject: Sendable {
    /// `table`, `view`, `sequence`, `index`, `function` or `type`.
    let kind: String
    let schema: String
    /// Quoted as it must be in a statement.
    let name: String
    let number: Int64
    /// The columns of a table, the types of a function's arguments.
    let parts: [String]

    var qualified: String { "\"\(schema)\".\(name)" }
}

/// What there is in a database, whoever asks; read as the superuser.
struct Catalog: Sendable {
    /// Beside the server's own.
    let objects: [CatalogObject]
    let schemas: [String]
    let roles: [String]
    let databases: [String]
    /// Relations and functions of the server's own that it keeps from everybody.
    let kept: [CatalogObject]
    /// The sessions that there are, and whose they are.
    let sessions: [(process: Int64, role: String)]

    static func read(_ connection: PostgresConnection) async throws -> Catalog {
        let foreign = """
            n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
            """
        let isKept = """
            n.nspname = 'pg_catalog' and relkind in ('r', 'v')
            and not has_table_privilege('public', c.oid, 'select')
            """
        return Catalog(
            objects: try await objects(connection, relations: foreign, functions: foreign, types: foreign),
            schemas: try await names(
                connection, "select nspname::text from pg_namespace n where \(foreign) order by 1"),
            roles: try await names(connection, "select rolname::text from pg_roles order by 1"),
            databases: try await names(
                connection, "select datname::text from pg_database where datallowconn order by 1"),
            kept: try await objects(
                connection, relations: isKept,
                functions: """
                    n.nspname = 'pg_catalog' and proacl is not null and prokind = 'f'
                    and not 'internal'::regtype = any (proargtypes) and not exists (
                        select from aclexplode(proacl) where grantee = 0)
                    """, types: "false"),
            sessions: try await connection.run(
                "select pid::int8, usename::text from pg_stat_activity where usename is not null"
            ).decode((Int64, String).self).map { ($0.0, $0.1) })
    }

    private static func names(_ connection: PostgresConnection, _ query: String) async throws -> [String] {
        try await connection.run(SQL(raw: query)).decode(String.self)
    }

    private static func objects(
        _ connection: PostgresConnection, relations: String, functions: String, types: String
    ) async throws -> [CatalogObject] {
        try await connection.run(
            SQL(
                raw: """
                    select case relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'view'
                             when 'i' then 'index' when 'I' then 'index' else 'table' end,
                           n.nspname::text, quote_ident(relname), c.oid::int8,
                           array(select quote_ident(attname) from pg_attribute
                                 where attrelid = c.oid and attnum > 0 and not attisdropped)
                    from pg_class c join pg_namespace n on n.oid = relnamespace
                    where relkind in ('r', 'p', 'f', 'v', 'm', 'S', 'i', 'I') and \(relations)
                    union all
                    select 'function', n.nspname::text, quote_ident(proname), p.oid::int8,
                           array(select format_type(t, null) from unnest(proargtypes) t)
                    from pg_proc p join pg_namespace n on n.oid = pronamespace where \(functions)
                    union all
                    select 'type', n.nspname::text, quote_ident(typname), t.oid::int8, '{}'
                    from pg_type t join pg_namespace n on n.oid = typnamespace
                    left join pg_class c on c.oid = typrelid
                    where (typtype in ('e', 'd', 'r') or relkind = 'c') and \(types)
                    order by 1, 2, 3
                    """)
        ).decode((String, String, String, Int64, [String]).self).map {
            CatalogObject(kind: $0.0, schema: $0.1, name: $0.2, number: $0.3, parts: $0.4)
        }
    }

    /// Every right that the catalog gives to a role, or to everybody, outside of where it belongs: on
    /// databases, schemas, relations, columns, functions, types, large objects, defaults and settings, and as
    /// a member of another role or by an attribute of its own.
    static func rights(
        of role: String, in schema: String, _ connection: PostgresConnection
    ) async throws -> [String] {
        try await connection.run(
            """
            with holder as (select oid from pg_roles where rolname = \(role)),
            held as (
                select 'relation ' || c.oid::regclass as what, relnamespace as place, a.*
                from pg_class c, aclexplode(relacl) a
                union all
                select 'column ' || attrelid::regclass || '.' || attname, relnamespace, a.*
                from pg_attribute join pg_class c on c.oid = attrelid, aclexplode(attacl) a
                union all
                select 'function ' || p.oid::regprocedure, pronamespace, a.*
                from pg_proc p, aclexplode(proacl) a
                union all
                select 'type ' || typname, typnamespace, a.* from pg_type, aclexplode(typacl) a
                union all
                select 'schema ' || nspname, n.oid, a.* from pg_namespace n, aclexplode(nspacl) a
                union all
                select 'database ' || datname, 0, a.* from pg_database, aclexplode(datacl) a
                where datname <> 'constintel_brands' and datallowconn
                union all
                select 'default of ' || defaclrole::regrole, defaclnamespace, a.*
                from pg_default_acl, aclexplode(defaclacl) a
                union all
                select 'large object ' || oid, 0, a.* from pg_largeobject_metadata, aclexplode(lomacl) a
                union all
                select 'setting ' || parname, 0, a.* from pg_parameter_acl, aclexplode(paracl) a
                union all
                select 'tablespace ' || spcname, 0, a.* from pg_tablespace, aclexplode(spcacl) a
                union all
                select 'server ' || srvname, 0, a.* from pg_foreign_server, aclexplode(srvacl) a
            )
            select case grantee when 0 then 'everybody: ' else '' end || privilege_type || ' on ' || what
            from held, holder
            where (grantee = holder.oid or grantee = 0)
              and place not in (
                  select oid from pg_namespace
                  where nspname in ('pg_catalog', 'information_schema')
                     or nspname = \(schema) and grantee <> 0)
            union all
            select 'CREATE on its own schema' from pg_namespace, holder
            where nspname = \(schema) and has_schema_privilege(holder.oid, pg_namespace.oid, 'create')
            union all
            select 'member of ' || roleid::regrole from pg_auth_members, holder where member = holder.oid
            union all
            select 'owner of ' || classid::regclass || ' ' || objid
            from pg_shdepend, holder where refobjid = holder.oid and deptype = 'o'
            union all
            select 'attributes of the role' from pg_roles, holder
            where pg_roles.oid = holder.oid
              and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
                   or rolconnlimit < 0)
            """
        ).decode(String.self)
    }
}
