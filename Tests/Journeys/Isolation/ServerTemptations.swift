import Kernel

extension Temptations {
    /// Everything on another's schema as a whole, `tables` being its tables.
    func ofSchema(_ schema: String, tables: [String]) -> [Temptation] {
        let name = "\"\(schema)\""
        let statements = [
            "create table \(name).mine (id int)", "create view \(name).mine as select 1",
            "create sequence \(name).mine", "create type \(name).mine as enum ('a')",
            "create function \(name).mine() returns int language sql as 'select 1'",
            "drop schema \(name) cascade", "alter schema \(name) rename to mine",
            "alter schema \(name) owner to \"\(role)\"", "grant usage on schema \(name) to \"\(role)\"",
            "grant all on all tables in schema \(name) to \"\(role)\"",
            "comment on schema \(name) is 'mine'",
        ]
        return all("schema", statements)
            + tables.map {
                Temptation(
                    kind: "search_path",
                    statement: "do $$ begin set local search_path = \(name); perform * from \($0); end $$",
                    // Without the right to look, there is nothing there.
                    refusals: ["42P01", "42501"])
            }
    }

    /// Everything on another role.
    func ofRole(_ other: String) -> [Temptation] {
        let (name, me) = ("\"\(other)\"", "\"\(role)\"")
        return [
            "set role \(name)", "set session authorization \(name)", "grant \(name) to \(me)",
            "alter role \(name) password 'mine'", "alter role \(name) set search_path = public",
            "alter role \(name) nologin", "drop role \(name)", "reassign owned by \(name) to \(me)",
            "drop owned by \(name) cascade", "comment on role \(name) is 'mine'",
            "alter default privileges for role \(name) grant select on tables to \(me)",
            "create schema mine authorization \(name)",
        ].map {
            // What the server has of its own is not altered by anybody.
            Temptation(
                kind: "role", statement: $0,
                refusals: other.hasPrefix("pg_") ? ["42501", "42939"] : ["42501"])
        }
    }

    /// What concerns the server and the database that all brands share.
    var ofServer: [Temptation] {
        let me = "\"\(role)\""
        return [
            "create schema mine", "create extension pgcrypto", "create extension postgres_fdw",
            "create extension dblink", "create role mine", "alter role \(me) superuser",
            "alter role \(me) createrole", "alter role \(me) createdb", "alter role \(me) bypassrls",
            "alter role \(me) replication", "alter role \(me) connection limit -1",
            "alter database constintel_brands set search_path = mine",
            "alter database constintel_brands owner to \(me)", "comment on database constintel_brands is 'a'",
            "grant connect on database constintel_control to \(me)",
            "create event trigger mine on sql_drop execute function suppress_redundant_updates_trigger()",
            "create publication mine for all tables", "create foreign data wrapper mine",
            "create language mine handler plpgsql_call_handler",
            "create function public.mine() returns int language sql as 'select 1'",
            "create function pg_temp.mine() returns int language c as '/tmp/mine.so', 'mine'",
            "create table public.mine (id int)", "create table pg_catalog.mine (id int)",
            "copy pg_database to '/tmp/mine'", "copy pg_database to program 'cat'",
            "create temporary table mine (line text); copy mine from '/etc/passwd'",
            "create temporary table mine (line text); copy mine from program 'id'",
            "select pg_read_file('/etc/passwd')", "select pg_ls_dir('.')", "load '/tmp/mine.so'",
            "set session_replication_role = replica", "set temp_file_limit = -1", "set log_statement = 'all'",
            "set log_min_messages = debug5", "set zero_damaged_pages = on", "checkpoint",
            "select pg_create_restore_point('mine')", "select pg_export_snapshot(), pg_switch_wal()",
            "select lo_create(0)", "select lo_creat(-1)", "select lo_from_bytea(0, 'mine')",
            "select lo_import('/etc/passwd')", "select pg_advisory_lock(1)", "select pg_try_advisory_lock(1)",
            "select pg_advisory_xact_lock(1, 1)", "select pg_try_advisory_xact_lock_shared(1)",
        ].map { Temptation(kind: "server", statement: $0) }
    }

    /// What the server keeps for itself: its own secrets and levers.
    func ofKept(_ object: CatalogObject) -> Temptation {
        guard object.kind == "function" else {
            return Temptation(kind: "kept", statement: "select * from pg_catalog.\(object.name) limit 1")
        }
        return Temptation(kind: "kept", statement: object.call)
    }

    /// Levers on others' processes.
    func ofProcess(_ process: Int64) -> [Temptation] {
        ["pg_terminate_backend", "pg_cancel_backend", "pg_log_backend_memory_contexts"].map {
            Temptation(kind: "process", statement: "select \($0)(\(process)::int)")
        }
    }

    /// The definitions of what is the role's own, and what is projected to it.
    func ofOwn(_ object: CatalogObject, projected: Set<String>) -> [Temptation] {
        let changing = Set(["definition", "truncate", "trigger", "references", "function", "index"])
        if object.kind == "type" { return all("own type", ["drop type \(object.qualified)"]) }
        var own = of(object).filter { changing.contains($0.kind) && !isPassingOn($0) }
        if projected.contains(object.name) {
            own += of(object).filter { ["update", "insert", "delete"].contains($0.kind) }
        }
        return own.map { Temptation(kind: "own \($0.kind)", statement: $0.statement, refusals: $0.refusals) }
    }
}
