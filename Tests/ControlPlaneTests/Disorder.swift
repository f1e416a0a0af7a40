import Contract
import Foundation
import Glibc
import Kernel
import Postgres
import Redis
import TestSupport

@testable import ControlPlane

/// What people change of a brand's intent; the projection follows.
enum Wish: String, CaseIterable {
    case run, stop, delete, undelete, suspend, resume, changePlan, changeRelease, raise, revokeKey
    case changeLimits, pause, unpause

    /// Writes it; false where it cannot be wished now.
    func apply(to slug: Slug, of fleet: Fleet, _ generator: inout SeededGenerator) async throws -> Bool {
        let store = BrandIntentStore(pool: fleet.control, clock: fleet.test.clock)
        switch self {
        case .raise, .revokeKey, .pause, .unpause:
            return try await fleet.control.run(statement(slug)).affected == 1
        case .changeLimits:
            let limits = Plan.Limits(
                eventsPerSecond: 50, streamEntries: 1000, connections: .random(in: 3...5, using: &generator),
                apiKeys: 20)
            try await PlanStore(pool: fleet.control).install([
                Plan(name: "pro", initialStatus: .active, limits: limits)
            ])
            return true
        default:
            var intent = try await store.read(slug)
            let before = intent
            change(&intent, at: fleet.test.clock.now())
            try await store.write(intent, of: slug, by: UUIDv7(at: fleet.test.clock.now()))
            return intent != before
        }
    }

    private func change(_ intent: inout BrandIntent, at now: Timestamp) {
        switch (self, intent.status) {
        case (.run, _): intent.instance = .running
        case (.stop, _): intent.instance = .stopped
        case (.delete, .trial), (.delete, .active), (.delete, .suspended):
            (intent.statusBefore, intent.status) = (intent.status, .deleted)
            intent.purgeAfter = now + .seconds(30 * 86_400)
        case (.undelete, .deleted):
            intent.status = intent.statusBefore ?? .active
            (intent.statusBefore, intent.purgeAfter) = (nil, nil)
        case (.suspend, .trial), (.suspend, .active):
            (intent.resumesAs, intent.status, intent.statusReason) = (intent.status, .suspended, "unpaid")
        case (.resume, .suspended):
            intent.status = intent.resumesAs ?? .active
            (intent.resumesAs, intent.statusReason) = (nil, nil)
        case (.changePlan, _): intent.plan = intent.plan == "pro" ? "free" : "pro"
        case (.changeRelease, _): intent.release = intent.release == nil ? "2.0" : nil
        default: break
        }
    }

    private func statement(_ slug: Slug) -> SQL {
        let key: SQL = """
            with key as (
                update api_key set revoked_at =
                    case when revoked_at is null then now() at time zone 'UTC' end
                where brand_id = (select id from brand where slug = \(slug)) returning brand_id
            )
            """
        let change: SQL =
            switch self {
            case .pause: "paused_reason = 'looking at it'"
            case .unpause: "paused_reason = null"
            default: "revision = revision + 1"
            }
        let condition: SQL =
            switch self {
            case .pause: "paused_reason is null"
            case .unpause: "paused_reason is not null"
            default: "true"
            }
        return (self == .revokeKey ? key : "") + """
            update instance set \(change) from brand
            where brand.id = brand_id and slug = \(slug) and \(condition)
            """
    }
}

/// What happens to a brand behind everybody's back.
enum Damage: String, CaseIterable {
    case killProcess, stopUnit, deleteUser, widenUser, deleteMarker, makeMarker, deleteConfiguration
    case garbleConfiguration, deleteCredential, garbleProjection, setBackProjection, advanceProjection
    case emptyProjection, garbleKeys, limitRole, garbleObservation, quarantine

    func apply(to slug: Slug, of fleet: Fleet) async throws {
        let files = fleet.files
        let path = files.configurationPath(slug)
        switch self {
        case .killProcess:
            if let pid = await fleet.test.supervisor.status(slug.unitName)?.pid { kill(pid, SIGKILL) }
        case .stopUnit: try await fleet.test.supervisor.stop(slug.unitName)
        case .deleteUser: try await fleet.redis.send("ACL", "DELUSER", slug.redisUser)
        case .widenUser: try await fleet.redis.send("ACL", "SETUSER", slug.redisUser, "+@all", "~*")
        case .deleteMarker: try PrivateFile.remove(files.layout.marker(slug))
        case .makeMarker: try PrivateFile.write([], to: files.layout.marker(slug))
        case .deleteConfiguration: try PrivateFile.remove(path)
        case .garbleConfiguration: try PrivateFile.write(Array("{".utf8), to: path)
        case .deleteCredential:
            try PrivateFile.remove("\(files.layout.instance(slug))/credentials/redis-password")
        case .limitRole: try await fleet.tenants.run("alter role \(role(slug)) connection limit 1")
        case .garbleObservation, .quarantine: try await fleet.control.run(observation(slug))
        default: try await fleet.tenants.run(projection(slug))
        }
    }

    private func role(_ slug: Slug) -> SQL { "\(identifier: slug.runtimeRole)" }

    private func projection(_ slug: Slug) -> SQL {
        let schema: SQL = "\(identifier: slug.schemaName)"
        return switch self {
        case .setBackProjection:
            "update \(schema).brand_state set revision = 1, status = 'trial', settings = '{}'"
        case .advanceProjection: "update \(schema).brand_state set revision = revision + 7"
        case .emptyProjection: "delete from \(schema).brand_state"
        case .garbleKeys: "delete from \(schema).api_key"
        default: "update \(schema).brand_state set status = 'garbled', limits = '{}'"
        }
    }

    private func observation(_ slug: Slug) -> SQL {
        let change: SQL =
            self == .quarantine
            ? "failures = 5, error = 'long ago', quarantined_until = now() + interval '5 minutes'"
            : """
            state = 'garbled', pid = 1, projected_revision = 999999, failures = 3,
                quarantined_until = now() + interval '10 years'
            """
        return """
            update observation set \(change) from brand where brand.id = brand_id and slug = \(slug)
            """
    }
}

/// What happens to the reconciler and to what it depends on, while it works.
enum Mishap: String, CaseIterable {
    case loseDatabases, loseRedis, freezeRedis, cancel, restart, refuse

    /// Has the reconciler pass once, and happens somewhere in the midst.
    func happen(to fleet: Fleet, _ generator: inout SeededGenerator) async throws {
        if self == .restart { return fleet.restart() }
        if self == .refuse { fleet.supervisor.refuse(times: .random(in: 1...4, using: &generator)) }
        let reconciler = fleet.reconciler
        let moment = Int.random(in: 0...300, using: &generator)
        let client = (try? await fleet.test.foundations.redis.send("CLIENT", "ID"))?.integer ?? 0
        let pass = Task { try await reconciler.pass() }
        for _ in 0..<moment { await Task.yield() }
        switch self {
        case .loseDatabases: try await fleet.endSessions()
        case .loseRedis: try await fleet.redis.send("CLIENT", "KILL", "ID", "\(client)")
        case .freezeRedis: try await fleet.redis.send("CLIENT", "PAUSE", "40", "ALL")
        case .cancel: pass.cancel()
        case .restart, .refuse: break
        }
        // Whether it came to its end is for the passes after it to make good.
        _ = await pass.result
    }
}

extension Fleet {
    /// Ends the sessions of the control plane, not those of the test's own hands.
    func endSessions() async throws {
        var own: [Int32] = []
        for pool in [control, tenants] {
            own.append(try await pool.run("select pg_backend_pid()")[0].decode(0, as: Int32.self))
        }
        let database = test.foundations.places.brandsDatabase
        let databases = [database, database.replacing("_brands", with: "")]
        try await control.run(
            """
            select pg_terminate_backend(pid) from pg_stat_activity
            where datname = any(\(databases)) and pid <> all(\(own))
            """)
    }
}
