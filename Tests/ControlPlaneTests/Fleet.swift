import Contract
import Foundation
import Glibc
import Kernel
import Postgres
import Redis
import Supervision
import TestSupport
import Web

@testable import ControlPlane

/// Some brands, the reconciler that looks after them, and a test's own hands: connections to the servers that
/// the faults do not hit.
final class Fleet {
    let test: TestPlane
    let supervisor: TroubledSupervisor
    let brands: [Slug]
    let control: PostgresPool
    let tenants: PostgresPool
    let redis: RedisClient
    /// The same plane seen by the test's own hands.
    let eyes: TestPlane
    private(set) var reconciler: Reconciler
    /// What Redis said of each brand's user when it was made.
    private var users: [Slug: String] = [:]

    /// Runs `body` over new brands, each with a key.
    static func with(_ count: Int, _ body: (Fleet) async throws -> Void) async throws {
        try await TestPlane.with { test in
            try test.install(release: "2.0")
            var slugs: [Slug] = []
            for _ in 0..<count { slugs.append(try await test.shop()) }
            let fleet = try Fleet(test, slugs)
            do {
                for slug in slugs { fleet.users[slug] = try await fleet.user(slug) }
                try await body(fleet)
            } catch {
                await fleet.close()
                throw error
            }
            await fleet.close()
        }
    }

    private init(_ test: TestPlane, _ brands: [Slug]) throws {
        let servers = try TestServers()
        let database = test.foundations.places.brandsDatabase
        func pool(_ name: String) -> PostgresPool {
            PostgresPool(
                servers.postgres.with(database: name).with(settings: ["constintel.term": "0"]), maximum: 1,
                reactor: TestServers.reactor, logger: TestPlane.silent)
        }
        supervisor = TroubledSupervisor(test.supervisor)
        var foundations = test.foundations
        foundations.supervisor = supervisor
        self.test = TestPlane(
            foundations: foundations, plane: ControlPlane(foundations), clock: test.clock,
            supervisor: test.supervisor)
        reconciler = self.test.plane.reconciler
        self.brands = brands
        control = pool(database.replacing("_brands", with: ""))
        tenants = pool(database)
        redis = RedisClient(servers.redis, on: TestServers.reactor)
        foundations.control = control
        foundations.brands = tenants
        foundations.redis = redis
        eyes = TestPlane(
            foundations: foundations, plane: ControlPlane(foundations), clock: test.clock,
            supervisor: test.supervisor)
    }

    private func close() async {
        supervisor.recover()
        await control.close()
        await tenants.close()
        await redis.close()
    }

    /// The reconciler of a process that knows nothing yet.
    func restart() { reconciler = ControlPlane(test.foundations).reconciler }

    var files: InstanceFiles {
        let foundations = test.foundations
        return InstanceFiles(
            layout: foundations.layout, places: foundations.places, keys: foundations.keys)
    }

    func user(_ slug: Slug) async throws -> String {
        "\(try await redis.send("ACL", "GETUSER", slug.redisUser))"
    }

    /// Returns once every unit that was started serves, or the wait is hopeless.
    func awaitUnits() async throws {
        for _ in 0..<1500 {
            let statuses = await test.supervisor.statuses()
            if statuses.values.allSatisfy({ $0.state == .ready }) { return }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

// MARK: - What is meant, and what is

extension Fleet {
    /// What is not as it is meant to be, for people.
    func differences(_ slug: Slug) async throws -> [String] {
        let meant = try await control.run(
            """
            select status = 'deleted', intent = 'running' and status <> 'deleted', coalesce(release, ''),
                concat_ws(' | ', status, coalesce(status_reason, '-'), revision,
                    jsonb_build_object('name', brand.name, 'country', country, 'timeZone', time_zone,
                        'currency', currency), limits,
                    (select string_agg(concat_ws(' ', public_id, environment, encode(hash, 'hex'), scopes,
                        revoked_at), ', ' order by public_id) from api_key where brand_id = brand.id),
                    (limits->>'connections')::int * 2),
                concat_ws(' ', case when intent = 'running' and status <> 'deleted' then 'ready'
                    else 'stopped' end, revision, 0, '- -'),
                (select concat_ws(' ', state, projected_revision, failures, coalesce(error, '-'),
                    coalesce(quarantined_until::text, '-')) from observation where brand_id = brand.id)
            from brand join instance on brand_id = brand.id join plan on plan.name = brand.plan
            where slug = \(slug)
            """)[0]
        let (isDeleted, runs, release, projected, observed, observation) = try meant.decode(
            (Bool, Bool, String, String, String, String?).self)
        let found = try await tenants.run(
            """
            select concat_ws(' | ', status, coalesce(status_reason, '-'), revision, settings, limits,
                (select string_agg(concat_ws(' ', public_id, environment, encode(hash, 'hex'), scopes,
                    revoked_at), ', ' order by public_id) from \(identifier: slug.schemaName).api_key),
                (select rolconnlimit from pg_roles where rolname = \(slug.runtimeRole)))
            from \(identifier: slug.schemaName).brand_state
            """
        ).first?.decode(0, as: String.self)
        var wrong: [String] = []
        func compare(_ what: String, _ found: String?, _ meant: String?) {
            if found != meant { wrong.append("\(what): \(found ?? "none") instead of \(meant ?? "none")") }
        }
        compare("projection", found, projected)
        compare("observation", observation, observed)
        compare("Redis user", try await user(slug), users[slug])
        let layout = files.layout
        compare("marker", "\(FileStamp(layout.marker(slug)) != nil)", "\(!isDeleted)")
        if !isDeleted {
            let instance = try await InstanceStore(pool: control, clock: test.clock).instance(slug)
            let text = String(decoding: try files.configurationText(instance), as: UTF8.self)
            let path = files.configurationPath(slug)
            compare("configuration", try? String(contentsOfFile: path, encoding: .utf8), text)
        }
        let status = await test.supervisor.status(slug.unitName)
        compare("unit", status?.state.rawValue, runs ? "ready" : nil)
        if runs, let pid = status?.pid {
            let words = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
            let program =
                release.isEmpty
                ? test.foundations.places.instanceExecutable
                : "\(layout.releases)/\(release)/constintel-instance"
            let isRight = String(decoding: words, as: UTF8.self).split(separator: "\0").contains {
                $0 == program
            }
            compare("program is right", "\(isRight)", "true")
        }
        return wrong.map { "\(slug): \($0)" }
    }

    /// Another text when anything was written, done or asked for anywhere, also when it changed nothing.
    func trace() async throws -> String {
        var parts: [String] = []
        for table in ["brand", "instance", "observation", "api_key"] {
            parts += try await rows(table, control)
        }
        for slug in brands {
            for table in ["brand_state", "api_key"] {
                parts += try await rows("\(slug.schemaName).\(table)", tenants)
            }
            parts.append("\(files.stamps(slug))")
        }
        parts.append("\(supervisor.calls.values.reduce(0, +)) calls, \(corrections) corrections")
        return parts.joined(separator: "\n")
    }

    private func rows(_ table: String, _ pool: PostgresPool) async throws -> [String] {
        let name = table.split(separator: ".").map { "\"\($0)\"" }.joined(separator: ".")
        return try await pool.run("select concat_ws(' ', xmin, ctid) from \(raw: name) order by 1").map {
            "\(table) \(try $0.decode(0, as: String.self))"
        }
    }

    /// What was set right so far, by any reconciler of this fleet.
    var corrections: Int {
        var text = MetricsText()
        for family in test.foundations.metrics.families(help: [:]) { text.add(family) }
        return text.render().split(separator: "\n")
            .filter { $0.hasPrefix("constintel_reconcile_corrections_total{") }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }
            .reduce(0) { $0 + Int($1) }
    }
}
