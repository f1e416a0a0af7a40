import Contract
import Foundation
import Kernel
import Postgres
import Redis
import Supervision

@testable import ControlPlane

extension Breakage {
    private static func month(_ ahead: Int) -> String {
        BrandChecks.month(SystemWallClock().now() + .days(30 * ahead))
    }

    /// What is broken of a brand's place.
    static let brands: [Breakage] = [
        inBrands("schemas", .failed, "SLUG: no consent", "drop table SCHEMA.consent"),
        inBrands("schemas", .failed, "SLUG: no schema", "alter schema SCHEMA rename to lost"),
        inBrands(
            "schemas", .failed, "no mark", "comment on schema SCHEMA is 'mine'",
            repair: "drop schema SCHEMA cascade"),
        inBrands("schemas", .failed, "is not owner_", "alter schema SCHEMA owner to current_user"),
        inBrands(
            "schemas", .failed, "version 1 instead of", "update SCHEMA.brand_state set schema_version = 1"),
        inBrands("schemas", .failed, "version unknown", "delete from SCHEMA.brand_state"),
        inBrands(
            "schemas", .failed, "its lease is for 9 and the brand's is 1",
            "update SCHEMA.writer_lease set generation = 9"),
        inBrands("roles", .failed, "ROLE has no mark", "comment on role ROLE is 'mine'"),
        inBrands("roles", .failed, "ROLE cannot log in", "alter role ROLE nologin"),
        inBrands("roles", .failed, "can log in", "alter role OWNER login"),
        inBrands("roles", .failed, "ROLE may do more", "alter role ROLE createdb"),
        inBrands(
            "roles", .failed, "ROLE may have 50 connections instead of 4",
            "alter role ROLE connection limit 50"),
        inBrands(
            "roles", .failed, "other settings than are meant (statement_timeout=60s)",
            "alter role ROLE reset statement_timeout"),
        inBrands(
            "roles", .failed, "is a member of pg_read_all_data", "grant pg_read_all_data to ROLE"),
        inBrands("roles", .failed, "ROLE owns consent", "alter table SCHEMA.consent owner to ROLE"),
        inBrands("roles", .failed, "no role ROLE", "drop owned by ROLE", "drop role ROLE"),
        Breakage(check: "roles", status: .failed, seen: "cannot connect", isAboutBrand: true) { test, slug in
            let database = test.foundations.places.brandsDatabase
            try await test.foundations.brands.run(
                "revoke connect on database \(identifier: database) from \(identifier: slug.runtimeRole)")
            return test
        },
        inBrands(
            "grants", .failed, "insert on consent to ROLE is missing",
            "revoke insert on SCHEMA.consent from ROLE"),
        inBrands(
            "grants", .failed, "usage on the schema to ROLE is missing",
            "revoke usage on schema SCHEMA from ROLE"),
        inBrands(
            "grants", .failed, "update on writer_lease.id to ROLE is missing",
            "revoke update (id) on SCHEMA.writer_lease from ROLE"),
        inBrands(
            "grants", .failed, "insert on api_key to ROLE is too much",
            "grant insert on SCHEMA.api_key to ROLE"),
        inBrands(
            "grants", .failed, "select on consent to everybody is too much",
            "grant select on SCHEMA.consent to public"),
        inBrands(
            "grants", .failed, "execute on ensure_event_partitions() to everybody is too much",
            "grant execute on function SCHEMA.ensure_event_partitions(integer) to public"),
        Breakage(
            check: "redis users", status: .failed, seen: "SLUG: no user brand-SLUG", isAboutBrand: true
        ) { test, slug in
            try await test.deleteRedisUser(slug)
            return test
        },
        Breakage(
            check: "redis users", status: .failed, seen: "brand-SLUG has other rights", isAboutBrand: true
        ) { test, slug in
            try await test.foundations.redis.send("ACL", "SETUSER", slug.redisUser, "+get")
            return test
        },
        inBrands(
            "partitions", .failed, "SLUG: none for \(month(0))",
            "drop table SCHEMA.customer_raw_event_\(month(0))"),
        inBrands(
            "partitions", .warning, "SLUG: none for \(month(5))",
            "drop table SCHEMA.customer_raw_event_\(month(5))"),
        inBrands(
            "partitions", .warning, "events in customer_raw_event_default",
            """
            insert into SCHEMA.customer_raw_event (id, created_at, event_type, occurred_at, channel, source,
                event_key, payload)
            values (gen_random_uuid(), '2001-01-01Z', 'view', '2001-01-01Z', 'web', 'api', 'e', '{}')
            """),
        inBrands(
            "projections", .failed, "its schema has revision 99",
            "update SCHEMA.brand_state set revision = 99"),
        inBrands(
            "projections", .failed, "its schema says suspended",
            "update SCHEMA.brand_state set status = 'suspended'"),
    ]

    /// What is left undone.
    static let work: [Breakage] = [
        Breakage(
            check: "instances", status: .failed, seen: "SLUG: not running, and meant to run",
            isAboutBrand: true
        ) { test, slug in
            try await test.supervisor.stop(slug.unitName)
            return test
        },
        inControl(
            "instances", .failed, "SLUG: ready, and meant to be stopped",
            "update instance set intent = 'stopped'"
        ).aboutBrand(),
        Breakage(
            check: "instances", status: .failed, seen: "SLUG: starting for", isAboutBrand: true
        ) { test, slug in
            try await test.supervisor.stop(slug.unitName)
            try await test.supervisor.start(
                UnitSpecification(
                    name: slug.unitName, executable: "/bin/sleep", arguments: ["60"],
                    logFile: test.foundations.layout.log(slug), readiness: .notify))
            test.clock.advance(by: .seconds(61))
            return test
        },
        inControl(
            "reconciling", .failed, "SLUG: quarantined, failed 5 times in a row: no luck",
            """
            insert into observation (brand_id, state, failures, error, quarantined_until, observed_at)
            select id, 'failed', 5, 'no luck', now(), now() from brand
            """
        ).aboutBrand(),
        inControl(
            "reconciling", .warning, "SLUG: failed 1 time: no luck",
            """
            insert into observation (brand_id, state, failures, error, observed_at)
            select id, 'failed', 1, 'no luck', now() from brand
            """
        ).aboutBrand(),
        inControl(
            "reconciling", .warning, "SLUG: paused: a look, ana",
            "update instance set paused_reason = 'a look, ana'"
        ).aboutBrand(),
        stream("streams", .failed, "SLUG: 1 event, the oldest since", key: "events", id: "1000-0"),
        stream("dead letters", .warning, "SLUG: 1 event", key: "dead", id: "*"),
        Breakage(
            check: "streams", status: .failed, seen: "SLUG: 2 events", isAboutBrand: true
        ) { test, slug in
            try await test.foundations.control.run(
                "update plan set limits = jsonb_set(limits, '{streamEntries}', '2')")
            for _ in 0..<2 {
                try await test.foundations.redis.send("XADD", slug.redisPrefix + "events", "*", "v", "1")
            }
            return test
        },
        Breakage(
            check: "streams", status: .warning, seen: "and its instance is meant to be stopped",
            isAboutBrand: true
        ) { test, slug in
            try await test.foundations.control.run("update instance set intent = 'stopped'")
            try await test.foundations.redis.send("XADD", slug.redisPrefix + "events", "*", "v", "1")
            return test
        },
        operation(.failed, "brand.delete of 'gone': stuck", state: "stuck", age: "1 second"),
        operation(.warning, "brand.delete of 'gone': running for 2 h", state: "running", age: "2 hours"),
        inControl(
            "jobs", .failed, "1 of 9 jobs: purge: no luck",
            """
            insert into job_run (name, started_at, ended_at, counts, error)
            values ('purge', now(), now(), '{}', 'no luck')
            """),
        inControl(
            "jobs", .failed, "partitions: it ran 3 days ago and is due every 24 h",
            """
            insert into job_run (name, started_at, ended_at, counts)
            values ('partitions', now() - interval '73 hours', now(), '{}')
            """),
        Breakage(check: "jobs", status: .failed, seen: "backups: it has never run") { test, _ in
            test.clock.advance(by: .seconds(4 * 3600))
            return test
        },
    ]

    private static func stream(
        _ check: String, _ status: Finding.Status, _ seen: String, key: String, id: String
    ) -> Breakage {
        Breakage(check: check, status: status, seen: seen, isAboutBrand: true) { test, slug in
            try await test.foundations.redis.send("XADD", slug.redisPrefix + key, id, "v", "1")
            return test
        }
    }

    private static func operation(
        _ status: Finding.Status, _ seen: String, state: String, age: String
    ) -> Breakage {
        inControl(
            "operations", status, seen,
            """
            insert into operation (id, kind, subject, state, input, runbook, requested_by, created_at,
                updated_at)
            values (gen_random_uuid(), 'brand.delete', 'gone', '\(state)', '{}',
                'runbooks/brand-delete-stuck.md', 'local', now() - interval '\(age)', now())
            """)
    }
}

// MARK: - Leftovers and keys

extension Breakage {
    /// What is wrong with brands' backups.
    static let backups: [Breakage] = [
        inControl(
            "backups", .failed, "SLUG: there is none",
            "update plan set limits = limits || '{\"backupHours\": 24}'",
            "update brand set created_at = created_at - interval '30 days' where slug = 'SLUG'"
        ).aboutBrand(),
        inControl(
            "backups", .warning, "SLUG: there is none, and one after it failed: no room",
            """
            insert into operation
                (id, kind, subject, state, input, error, runbook, requested_by, created_at, updated_at)
            values (gen_random_uuid(), 'brand.backup', 'SLUG/backup', 'failed', '{}', 'no room', '', 'local',
                now(), now())
            """
        ).aboutBrand(),
        inControl(
            "backup drills", .failed, "SLUG: a row is gone",
            """
            insert into backup_receipt
                (id, brand_id, backup_id, at, is_passed, failure, statement, signature)
            select gen_random_uuid(), id, gen_random_uuid(), now(), false, 'a row is gone', '{}', ''
            from brand where slug = 'SLUG'
            """
        ).aboutBrand(),
    ]
}

extension Breakage {
    private static let stranger = "ConstIntel brand 0198c5f2-8b7a-7c3e-9d0a-0242ac120002"

    /// One over a Redis that no other test leaves anything in.
    private static func leftover(
        _ seen: String, _ leave: @escaping @Sendable (TestPlane, RedisClient) async throws -> Void,
        repair: @escaping @Sendable (TestPlane, Slug) async throws -> Void = { _, _ in }
    ) -> Breakage {
        Breakage(
            check: "leftovers", status: .warning, seen: seen, before: nil,
            damage: { test, _ in
                let redis = try await test.privateRedis()
                let alone = test.standing { $0.redis = redis }
                let before = try await alone.finding("leftovers")
                guard before.status == .ok else { throw Unexpected(finding: before) }
                try await leave(alone, redis)
                return alone
            }, repair: repair)
    }

    private struct Unexpected: Error { let finding: Finding }

    /// What is there of a brand that is not.
    static let leftovers: [Breakage] = [
        leftover("schema brand_gone") { test, _ in
            try await test.foundations.brands.run(all: [
                "create schema brand_gone", "comment on schema brand_gone is \(literal: stranger)",
            ])
        },
        leftover("Redis user brand-gone") { _, redis in
            try await redis.send("ACL", "SETUSER", "brand-gone", "on")
        },
        leftover("/gone.known") { test, _ in
            try PrivateFile.write([], to: "\(test.foundations.layout.instanceSockets)/gone.known")
        },
        leftover("/instances/gone") { test, _ in
            try PrivateFile.makeDirectory("\(test.foundations.layout.root)/instances/gone")
        },
        leftover("unit constintel-instance@gone") { test, _ in
            try await test.supervisor.start(
                UnitSpecification(
                    name: "constintel-instance@gone", executable: "/bin/sleep", arguments: ["60"],
                    logFile: "\(test.foundations.layout.logs)/gone.log", readiness: .notify))
        },
        leftover("role leftover_", role, repair: { test, _ in try await test.dropLeftoverRole() }),
    ]

    private static func role(_ test: TestPlane, _: RedisClient) async throws {
        let (role, database) = (test.leftoverRole, test.foundations.places.brandsDatabase)
        try await test.foundations.brands.run(all: [
            "create role \(identifier: role)", "comment on role \(identifier: role) is \(literal: stranger)",
            "grant connect on database \(identifier: database) to \(identifier: role)",
        ])
    }

    /// What is wrong with the installation's keys.
    static let keys: [Breakage] = [
        Breakage(check: "recovery passphrase", status: .warning, seen: "none", before: nil) { test, _ in
            _ = try test.foundations.keys.newRecoveryPassphrase()
            let made = try await test.finding("recovery passphrase")
            guard made.status == .ok else { throw Unexpected(finding: made) }
            try PrivateFile.remove("\(test.foundations.layout.secrets)/master.key.recovery")
            return test
        },
        Breakage(check: "master key", status: .warning, seen: "halfway: 1 instance still under") { test, _ in
            try test.foundations.keys.beginMasterKey()
            return test
        },
        inControl(
            "master key", .failed, "1 instance sealed under a key that is not here",
            "update instance set sealed_redis_password = 'x.other.' || sealed_redis_password"),
        Breakage(check: "token keys", status: .failed, seen: "should have been refused since") { test, _ in
            let keys = test.foundations.keys
            try keys.use(keys.tokens.rotated(until: test.clock.now() - .seconds(3600)))
            return test
        },
    ]
}

extension TestPlane {
    /// A role that no other test has.
    fileprivate var leftoverRole: String { "leftover_\(foundations.places.brandsDatabase)" }

    fileprivate func dropLeftoverRole() async throws {
        try await foundations.brands.run(all: [
            "drop owned by \(identifier: leftoverRole)", "drop role \(identifier: leftoverRole)",
        ])
    }
}
