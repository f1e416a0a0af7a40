import Contract
import Kernel
import Postgres
import Workflow

/// The table `former_schema`: what another state of a brand has taken the place of.
struct FormerSchemaStore: Sendable {
    let pool: PostgresPool
    let clock: any WallClock

    /// A schema that was put aside.
    struct Former: Sendable {
        let name: String
        let slug: Slug
        let brand: BrandID
        /// What put it aside.
        let operation: UUIDv7
        let reason: String
        let since: Timestamp
        let keepUntil: Timestamp
    }

    /// Notes a schema that was put aside; one that is noted already stays.
    func insert(_ former: Former) async throws {
        try await pool.run(
            """
            insert into former_schema (name, brand_id, operation_id, reason, since, keep_until)
            values (\(former.name), \(former.brand), \(former.operation), \(former.reason),
                \(former.since), \(former.keepUntil))
            on conflict (name) do nothing
            """)
    }

    /// Forgets one.
    func delete(_ name: String) async throws {
        try await pool.run("delete from former_schema where name = \(name)")
    }

    /// Forgets one whose time is over, unless an operation has its brand by now; gives whether.
    func deleteDue(_ name: String) async throws -> Bool {
        try await pool.run(
            """
            delete from former_schema using brand
            where former_schema.name = \(name) and brand.id = brand_id and keep_until <= \(clock.now())
              and not exists (
                select from operation where subject = slug
                    and state in ('pending', 'running', 'unwinding', 'stuck'))
            """
        ).affected == 1
    }

    /// The one of a brand that was put aside last.
    func newest(of slug: Slug) async throws -> Former? {
        try await list("slug = \(slug)", order: "since desc, name desc", limit: 1).first
    }

    /// Those whose time is over, of brands that no operation changes.
    func due(limit: Int) async throws -> [Former] {
        try await list(
            """
            keep_until <= \(clock.now()) and not exists (
                select from operation where subject = slug
                    and state in ('pending', 'running', 'unwinding', 'stuck'))
            """, order: "keep_until", limit: limit)
    }

    private func list(_ condition: SQL, order: String, limit: Int) async throws -> [Former] {
        try await pool.run(
            """
            select former_schema.name, slug, brand.id, operation_id, reason, since, keep_until
            from former_schema join brand on brand.id = brand_id
            where \(condition) order by \(raw: order) limit \(limit)
            """
        ).decode((String, Slug, BrandID, UUIDv7, String, Timestamp, Timestamp).self).map {
            Former(
                name: $0.0, slug: $0.1, brand: $0.2, operation: $0.3, reason: $0.4, since: $0.5,
                keepUntil: $0.6)
        }
    }
}
