import Foundation
import Kernel
import Postgres
import TestSupport

/// Every tenant table as text that two runs can share: minted ids are replaced by what they stand for, and
/// times of receipt are left out.
struct TenantTables: Equatable {
    private(set) var digests: [String: String] = [:]
    private(set) var rows: [String: Int64] = [:]

    /// What stands for an identifier, and so for the profile that bears its id.
    private static let name = "(select name from identifier_name where id = %)"
    private static let key = "(select name from event_name where id = %)"

    private static func identifier(_ column: String) -> String { name.replacing("%", with: column) }
    private static func event(_ column: String) -> String { key.replacing("%", with: column) }

    private static let columns: [String: String] = [
        "event_key": "source, key",
        "customer_raw_event": """
        event_type, occurred_at, channel, source, event_key, payload, test, \(identifier("t.placed_on")),
        \(identifier("t.customer_profile_id"))
        """,
        "customer_identifier": "kind, value, flag, \(identifier("t.profile_id"))",
        "identity_pair": """
        least(\(identifier("t.low_id")), \(identifier("t.high_id"))),
        greatest(\(identifier("t.low_id")), \(identifier("t.high_id"))), state, tied, hold is null
        """,
        "identity_never": """
        least(\(identifier("t.low_id")), \(identifier("t.high_id"))),
        greatest(\(identifier("t.low_id")), \(identifier("t.high_id")))
        """,
        "identity_decision": """
        kind,
        array(select \(identifier("named")) from unnest(left_ids || right_ids) as named order by 1), by_limit,
        actor
        """,
        "identifier_event": "\(identifier("t.identifier_id")), \(event("t.event_id"))",
        "identifier_sign_in": """
        \(identifier("t.identifier_id")), occurred_at, event_key, source, \(identifier("t.owner_id"))
        """,
        "identifier_owner": "\(identifier("t.identifier_id")), \(identifier("t.owner_id"))",
        "consent": "\(identifier("t.identifier_id")), channel, purpose, granted, occurred_at",
        "customer_profile": """
        \(identifier("t.id")), identifiers, profile_strength, lifetime_value, total_orders, first_seen_at,
        last_seen_at
        """,
        "customer_order": """
        source, known_by, order_id, version, \(event("t.event_id")), ordered_at, channel, total, currency,
        items, refunded, is_cancelled, value, rate, brand_value,
        place_version, \(identifier("t.placed_on")), \(identifier("t.profile_id"))
        """,
        "brand_totals": "events, profiles",
        "event_feed": "position",
        "order_adjustment": """
        source, order_id, kind, known_by, adjustment_id, version, \(event("t.event_id")), amount, currency
        """,
        "order_totals": "currency, orders, revenue, converted, without_rate",
        "import_rejection": "row_number, reason, fields",
    ]

    /// A connection to the tables of the brand `demo` of an installation, by which nobody's rights are asked.
    static func connection(to installation: Installation) async throws -> PostgresConnection {
        let password = try String(
            contentsOfFile: "\(installation.directory)/secrets/postgres-password", encoding: .utf8)
        let configuration = PostgresConfiguration(
            host: "\(installation.directory)/run", database: "constintel_brands", user: "constintel",
            password: Secret(password), applicationName: "tests")
        let connection = try await PostgresConnection.connect(configuration, on: TestServers.reactor)
        try await connection.run("set search_path = brand_demo")
        return connection
    }

    /// Reads the tables of the brand `demo` of an installation.
    ///
    /// - Parameter schema: where that is not the brand's own.
    static func read(
        from installation: Installation, schema: String = "brand_demo"
    ) async throws -> TenantTables {
        let connection = try await connection(to: installation)
        try await connection.run("set search_path = \(identifier: schema)")
        try await nameIds(on: connection)
        var tables = TenantTables()
        for (table, columns) in TenantTables.columns {
            let found = try await connection.run(
                SQL(
                    raw: """
                        select count(*),
                           coalesce(md5(string_agg(line, '' order by line collate "C")), '')
                        from (select md5(row(\(columns))::text) as line from \(table) t) as lines
                        """))
            let (count, digest) = try found[0].decode((Int64, String).self)
            tables.digests[table] = digest
            tables.rows[table] = count
        }
        await connection.close()
        return tables
    }

    /// What stands for an id, found by it.
    private static func nameIds(on connection: PostgresConnection) async throws {
        try await connection.run(
            """
            create temporary table identifier_name as
                select id, kind || ':' || value as name from customer_identifier
            """)
        try await connection.run("create unique index on identifier_name (id)")
        try await connection.run(
            """
            create temporary table event_name as
                select event_id as id, source || '/' || key as name from event_key
            """)
        try await connection.run("create unique index on event_name (id)")
    }
}
