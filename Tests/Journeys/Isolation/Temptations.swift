import Kernel

/// A statement that a brand's role must be refused.
struct Temptation: Sendable {
    /// What sort of thing is tried.
    let kind: String
    let statement: String
    /// The refusals that count, as SQLSTATE.
    var refusals: Set<String> = ["42501"]
}

/// The statements that one role tries on what is another's.
struct Temptations {
    let role: String
    /// Whether the role may look into others' schemas, which a proof may allow to see that the next wall
    /// stands too.
    let mayLook: Bool

    private var me: String { "\"\(role)\"" }

    func all(_ kind: String, _ statements: [String]) -> [Temptation] {
        statements.map { Temptation(kind: kind, statement: $0) }
    }

    /// Everything on one object.
    func of(_ object: CatalogObject) -> [Temptation] {
        switch object.kind {
        case "table", "view": table(object)
        case "sequence": sequence(object)
        case "function": function(object)
        case "index":
            all(
                "index", ["drop index %", "reindex index %", "alter index % rename to mine"],
                object.qualified)
        default: type(object)
        }
    }

    private func all(_ kind: String, _ templates: [String], _ name: String) -> [Temptation] {
        all(kind, templates.map { $0.replacing("%", with: name) })
    }

    private func table(_ object: CatalogObject) -> [Temptation] {
        let table = object.qualified
        let first = object.parts.first ?? "oid"
        return all("select", object.parts.map { "select \($0) from \(table) limit 1" })
            + all("update", object.parts.map { "update \(table) set \($0) = default" })
            + all(
                "select",
                [
                    "select count(*) from %", "select * from % for share",
                    "create temporary table mine (like %)", "create temporary table mine as table %",
                    "select table_to_xml(\(object.number)::regclass, true, false, '')",
                    "select query_to_xml('table %', true, false, '')",
                    "select ts_stat('select ''a'' from %')",
                ], table)
            + all("insert", ["insert into % default values"], table)
            + all("delete", ["delete from % where false", "delete from %"], table)
            + all("truncate", ["truncate %"], table)
            + all(
                "lock", ["lock table % in access share mode", "lock table % in access exclusive mode"], table)
            + all(
                "trigger",
                [
                    """
                    create trigger mine before insert on % for each row
                    execute function suppress_redundant_updates_trigger()
                    """, "alter table % disable trigger all",
                ], table)
            + all("references", ["alter table % add foreign key (\(first)) references % (\(first))"], table)
            + definitions(of: table, first)
    }

    /// What changes a table's definition.
    private func definitions(of table: String, _ column: String) -> [Temptation] {
        all(
            "definition",
            [
                "alter table % add column mine int", "alter table % rename to mine", "drop table %",
                "alter table % owner to \(me)", "alter table % enable row level security",
                "alter table % alter column \(column) drop not null", "alter table % set unlogged",
                "create index on % (\(column))", "create rule mine as on insert to % do instead nothing",
                "create policy mine on % using (true)", "cluster %", "reindex table %",
                "alter table % replica identity full", "grant select on % to \(me)",
                "grant all on % to public", "revoke all on % from public", "comment on table % is 'mine'",
                "comment on column %.\(column) is 'mine'",
            ], table)
    }

    private func sequence(_ object: CatalogObject) -> [Temptation] {
        let byNumber = "\(object.number)::regclass"
        return all(
            "sequence",
            [
                "select nextval('%')", "select nextval(\(byNumber))", "select setval(\(byNumber), 7)",
                "select currval(\(byNumber))", "select pg_sequence_last_value(\(byNumber))",
                "select last_value from %", "alter sequence % restart", "drop sequence %",
            ], object.qualified)
    }

    private func function(_ object: CatalogObject) -> [Temptation] {
        let signature = "\(object.qualified)(\(object.parts.joined(separator: ", ")))"
        var call = Temptation(kind: "execute", statement: object.call)
        // Triggers cannot be called by anybody.
        if mayLook { call.refusals.insert("0A000") }
        return [call]
            + all(
                "function",
                [
                    "drop function %", "alter function % owner to \(me)", "alter function % security definer",
                    "grant execute on function % to \(me)", "comment on function % is 'mine'",
                ], signature)
    }

    /// What is said of a right that one has without being allowed to pass it on is a warning, and changes
    /// nothing: only the catalog can tell.
    func isPassingOn(_ temptation: Temptation) -> Bool {
        temptation.statement.hasPrefix("grant ") || temptation.statement.hasPrefix("revoke ")
    }

    private func type(_ object: CatalogObject) -> [Temptation] {
        let changes = ["drop type %", "alter type % owner to \(me)", "alter type % rename to mine"]
        // Everybody may use a type whose schema he may look into: there is nothing in it.
        return all("type", mayLook ? changes : changes + ["select null::%"], object.qualified)
    }
}

extension CatalogObject {
    /// A call of a function, with nulls that the planner does not see through: what is null for sure would
    /// not be called at all.
    var call: String {
        guard !parts.isEmpty else { return "select \(qualified)()" }
        let values = parts.enumerated().map { "null::\($1) as a\($0)" }.joined(separator: ", ")
        let arguments = parts.indices.map { "a\($0)" }.joined(separator: ", ")
        return "select \(qualified)(\(arguments)) from (select \(values) offset 0) as n"
    }
}
