import Foundation
import Kernel
import Postgres
import Redis
import Supervision

@testable import ControlPlane

/// Everything that there is of some brands, wherever it is, one line for each thing: what differs between two
/// of them is what an operation has done.
///
/// Times, revisions, process ids and secrets are left out, and a brand's slug and id can be replaced by
/// words, so that inventories of two brands that went through the same are equal.
struct Inventory: Equatable {
    var lines: [String]

    /// The lines that only one of the two has.
    func difference(from other: Inventory) -> [String] {
        let (mine, theirs) = (Set(lines), Set(other.lines))
        return mine.subtracting(theirs).map { "+ \($0)" }.sorted()
            + theirs.subtracting(mine).map { "- \($0)" }.sorted()
    }
}

extension TestPlane {
    /// What there is of the brands `slugs`; the first one is called SLUG and its id ID.
    func inventory(of slugs: [Slug]) async throws -> Inventory {
        let surveyor = Surveyor(
            control: foundations.control, brands: foundations.brands, redis: foundations.redis,
            layout: foundations.layout
        ) { slug in
            // An instance that has just been started again, or killed, is on its way to being ready.
            if [.starting, .failed].contains(await supervisor.status(slug.unitName)?.state) {
                try await supervisor.awaitReady(slug.unitName)
            }
            guard let status = await supervisor.status(slug.unitName) else {
                return try await units?.inventory(slug.unitName) ?? []
            }
            let words = status.pid.map { FileManager.default.contents(atPath: "/proc/\($0)/cmdline") }
            let program = String(decoding: (words ?? nil) ?? Data(), as: UTF8.self)
                .split(separator: "\0").first { $0.hasPrefix(foundations.layout.root) }
            return ["\(status.state.rawValue) \(program ?? "")"]
                + (try await units?.inventory(slug.unitName) ?? [])
        }
        return try await surveyor.inventory(of: slugs)
    }
}

/// Who takes inventories, of an installation in this process or of one that daemons serve.
struct Surveyor: Sendable {
    let control: PostgresPool
    let brands: PostgresPool
    let redis: RedisClient
    let layout: StateLayout
    /// The processes of a brand's instance, once none is on its way any more.
    let units: @Sendable (Slug) async throws -> [String]

    /// What there is of the brands `slugs`; the first one is called SLUG and its id ID.
    func inventory(of slugs: [Slug]) async throws -> Inventory {
        var lines: [String] = []
        for slug in slugs { lines += try await units(slug).map { "unit \(slug.unitName) \($0)" } }
        lines += try await controlRows(slugs)
        for slug in slugs {
            lines += try await roles(slug)
            lines += try await schema(slug)
            lines += try await redisLines(slug)
            lines += try files(slug)
        }
        guard let first = slugs.first else { return Inventory(lines: []) }
        let id = try await id(of: first)
        return Inventory(
            lines: lines.map {
                $0.replacing(first.text, with: "SLUG").replacing(id ?? "no id", with: "ID")
            }.sorted())
    }

    /// The brand's id, also when it is gone.
    private func id(of slug: Slug) async throws -> String? {
        try await control.run(
            """
            select id::text from brand where slug = \(slug)
            union all select brand_id::text from retired_slug where slug = \(slug)
            """
        ).first?.decode(0, as: String.self)
    }

    /// The rows of every table of the control database that are about these brands, found by their id or
    /// slug wherever it stands. The journals of what was done are no part of what there is.
    private func controlRows(_ slugs: [Slug]) async throws -> [String] {
        let journals = [
            "operation", "operation_step", "audit_log", "idempotency_key", "leadership", "schema_version",
            "observation", "plan", "refresh_token", "brand_metrics", "brand_metrics_run", "backup_receipt",
        ]
        let tables = try await control.run(
            """
            select tablename from pg_tables where schemaname = 'public' and tablename <> all(\(journals))
            """
        ).map { try $0.decode(0, as: String.self) }
        let names = try await slugs.asyncMap { slug in
            [slug.text] + [try await id(of: slug)].compactMap(\.self)
        }
        .flatMap(\.self)
        var lines: [String] = []
        for table in tables {
            // A user's id is its own; a brand's is known.
            let left = volatile + (volatileOf[table] ?? [])
            lines += try await control.run(
                """
                select \(table) || ' ' || (to_jsonb(t) - \(left))::text from \(identifier: table) t
                where exists (
                    select from unnest(\(names)) name where to_jsonb(t)::text like '%"' || name || '"%')
                """
            ).map { try $0.decode(0, as: String.self) }
        }
        return lines
    }

    /// What is another one each time in a table.
    private var volatileOf: [String: [String]] {
        [
            "user": ["id"],
            "backup": [
                "id", "snapshot", "taken_at", "written_at", "bytes", "added_bytes", "manifest_hash",
            ],
            "former_schema": ["name", "since", "keep_until"],
        ]
    }

    private var volatile: [String] {
        [
            "created_at", "updated_at", "revision", "retired_at", "sealed_postgres_password",
            "sealed_redis_password", "at", "operation_id", "hash", "public_id", "purge_after",
            "password_hash", "industry_since", "trial_ends_at",
        ]
    }

    private func roles(_ slug: Slug) async throws -> [String] {
        try await brands.run(
            """
            select concat_ws(' ', 'role', rolname, rolcanlogin, rolconnlimit,
                (select setconfig::text from pg_db_role_setting where setrole = pg_authid.oid),
                shobj_description(oid, 'pg_authid'), rolpassword is not null)
            from pg_authid where rolname = any(\([slug.ownerRole, slug.runtimeRole]))
            """
        ).map { try $0.decode(0, as: String.self) }
    }

    private func schema(_ slug: Slug) async throws -> [String] {
        let tables = try await brands.run(
            """
            select relname::text, concat_ws(' ', relkind, relacl::text) from pg_class
            where relnamespace = (select oid from pg_namespace where nspname = \(slug.schemaName))
            """
        ).decode((String, String).self)
        let beside = try await brands.run(
            """
            select regexp_replace(nspname, '__[0-9a-f]{12}$', '__former') from pg_namespace
            where starts_with(nspname, \(slug.schemaName + "__")) order by 1
            """
        ).map { "beside \(try $0.decode(0, as: String.self))" }
        var lines = beside + tables.map { "table \(slug.schemaName).\($0.0) \($0.1)" }
        guard !tables.isEmpty else { return [] }
        for table in ["brand_state", "api_key", "writer_lease"] {
            lines += try await brands.run(
                """
                select \(table) || ' ' || (to_jsonb(t) - \(volatile))::text
                from \(identifier: slug.schemaName).\(identifier: table) t
                """
            ).map { try $0.decode(0, as: String.self) }
        }
        return lines
    }

    private func redisLines(_ slug: Slug) async throws -> [String] {
        var lines: [String] = []
        if let user = try await redis.send("ACL", "GETUSER", slug.redisUser).array {
            // Name and value take turns; the passwords are left out.
            for index in stride(from: 0, to: user.count - 1, by: 2) where user[index].text != "passwords" {
                lines.append(
                    "redis user \(slug.redisUser) \(user[index].text ?? "") \(words(user[index + 1]))")
            }
        }
        let keys = try await redis.send("KEYS", "\(slug.redisPrefix)*").array ?? []
        return lines + keys.map { "redis key \($0.text ?? "")" }
    }

    private func words(_ reply: RedisValue) -> String {
        reply.array.map { "[\($0.map(words).joined(separator: " "))]" } ?? reply.text ?? ""
    }

    /// Every file of the brand with its mode, and the text of its configuration.
    private func files(_ slug: Slug) throws -> [String] {
        let folding = (try? FileManager.default.contentsOfDirectory(atPath: layout.refold(""))) ?? []
        let schemas = folding.filter { $0 == slug.schemaName || $0.hasPrefix("\(slug.schemaName)__") }
        let roots =
            [layout.marker(slug), layout.log(slug), layout.instance(slug)] + schemas.map(layout.refold)
        var lines: [String] = []
        for root in roots where FileManager.default.fileExists(atPath: root) {
            let below = FileManager.default.subpaths(atPath: root) ?? []
            for path in [root] + below.map({ "\(root)/\($0)" }) {
                let attributes = try FileManager.default.attributesOfItem(atPath: path)
                let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0
                let text =
                    path.hasSuffix("instance.json") ? try String(contentsOfFile: path, encoding: .utf8) : ""
                lines.append("file \(path) \(String(mode, radix: 8)) \(text.filter { $0 != "\n" })")
            }
        }
        return lines
    }
}

extension Sequence where Element: Sendable {
    /// `map` with a transformation that awaits, one after the other.
    fileprivate func asyncMap<Result>(_ transform: (Element) async throws -> Result) async rethrows
        -> [Result]
    {
        var results: [Result] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
