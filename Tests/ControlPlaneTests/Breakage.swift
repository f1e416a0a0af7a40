import Contract
import Foundation
import Kernel
import Postgres
import Redis
import Supervision
import TestSupport
import Testing

@testable import ControlPlane

/// Something that is broken on purpose, and what the check whose matter it is says then.
struct Breakage: Sendable, CustomTestStringConvertible {
    let check: String
    let status: Finding.Status
    /// Is told, with SLUG in the place of the brand's and ROLE of its runtime role's name.
    let seen: String
    /// How it is before; anything when nil.
    var before: Finding.Status? = .ok
    /// Whether the finding is about the brand.
    var isAboutBrand = false
    /// Breaks it, and says whom to ask then.
    let damage: @Sendable (TestPlane, Slug) async throws -> TestPlane
    /// What the end of the test needs put back.
    var repair: @Sendable (TestPlane, Slug) async throws -> Void = { _, _ in }

    var testDescription: String { "\(check): \(seen)" }

    static let all = servers + brands + work + backups + leftovers + keys

    /// One that statements in the brands database do, with SCHEMA, ROLE and OWNER in the place of names.
    static func inBrands(
        _ check: String, _ status: Finding.Status, _ seen: String, _ statements: String...,
        repair: String? = nil
    ) -> Breakage {
        let run: @Sendable (String, TestPlane, Slug) async throws -> Void = { statement, test, slug in
            let text = statement.replacing("SCHEMA", with: slug.schemaName)
                .replacing("ROLE", with: slug.runtimeRole).replacing("OWNER", with: slug.ownerRole)
            try await test.foundations.brands.run(SQL(raw: text))
        }
        return Breakage(
            check: check, status: status, seen: seen, isAboutBrand: true,
            damage: { test, slug in
                for statement in statements { try await run(statement, test, slug) }
                return test
            },
            repair: { test, slug in
                if let repair { try await run(repair, test, slug) }
            })
    }

    /// One that statements in the control database do, as the daemon, with SLUG in the place of the brand's.
    static func inControl(
        _ check: String, _ status: Finding.Status, _ seen: String, _ statements: String...
    ) -> Breakage {
        Breakage(check: check, status: status, seen: seen) { test, slug in
            for statement in statements {
                try await test.foundations.control.run(
                    SQL(raw: statement.replacing("SLUG", with: slug.text)))
            }
            return test
        }
    }

    static func byOwner(
        _ check: String, _ status: Finding.Status, _ seen: String, _ statement: String
    ) -> Breakage {
        Breakage(check: check, status: status, seen: seen) { test, _ in
            try await test.asOwner { try await $0.run(SQL(raw: statement)) }
            return test
        }
    }

    func aboutBrand() -> Breakage {
        var breakage = self
        breakage.isAboutBrand = true
        return breakage
    }
}

extension TestPlane {
    /// What one check says.
    func finding(_ name: String) async throws -> Finding {
        let view = try await checkView()
        return try #require(view.findings.first { $0.check == name }, "there is no check '\(name)'")
    }

    func checkView() async throws -> CheckView {
        let answer = try await call(.get, "/api/admin/check")
        guard answer.status == 200 else { throw try answer.problem }
        return try answer.decode(CheckView.self)
    }

    /// The same installation as a daemon sees it that stands on something else.
    func standing(_ change: (inout ControlPlane.Foundations) throws -> Void) rethrows -> TestPlane {
        var foundations = foundations
        try change(&foundations)
        return TestPlane(
            foundations: foundations, plane: ControlPlane(foundations), clock: clock, supervisor: supervisor)
    }

    /// A Redis of this test's own, which nobody else minds being changed.
    func privateRedis() async throws -> RedisClient {
        let socket = "\(foundations.layout.root)/r"
        var unit = UnitSpecification(
            name: "private-redis", executable: "/usr/bin/redis-server",
            arguments: [
                "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "yes", "--appendfsync",
                "always", "--dir", foundations.layout.root, "--maxmemory", "100mb",
            ],
            logFile: "\(foundations.layout.logs)/private-redis.log",
            readiness: .probe { FileManager.default.fileExists(atPath: socket) })
        unit.workingDirectory = foundations.layout.root
        try await supervisor.start(unit)
        try await supervisor.awaitReady(unit.name)
        return RedisClient(RedisConfiguration(socket: socket), on: TestServers.reactor)
    }
}

// MARK: - Servers

extension Breakage {
    private static func pool(_ test: TestPlane, _ settings: [String: String]) throws -> PostgresPool {
        let schema = try test.schema()
        return PostgresPool(
            schema.administrator.with(database: schema.control)
                .with(settings: SchemaStore.controlSettings(term: 0).merging(settings) { $1 }),
            maximum: 4, reactor: TestServers.reactor, logger: TestPlane.silent)
    }

    private static var nowhere: PostgresPool {
        PostgresPool(
            PostgresConfiguration(
                host: "/nonexistent", database: "postgres", user: "nobody", applicationName: "tests"),
            maximum: 2, reactor: TestServers.reactor, logger: TestPlane.silent)
    }

    private static func setting(
        _ check: String, _ status: Finding.Status, _ seen: String, before: Finding.Status?,
        _ name: String, _ value: String
    ) -> Breakage {
        Breakage(check: check, status: status, seen: seen, before: before) { test, _ in
            let redis = try await test.privateRedis()
            let before = try await test.standing { $0.redis = redis }.finding(check)
            #expect(before.status == .ok, "\(before)")
            try await redis.send("CONFIG", "SET", name, value)
            return test.standing { $0.redis = redis }
        }
    }

    fileprivate static let servers: [Breakage] = [
        Breakage(check: "control database", status: .failed, seen: "connect", before: nil) { test, _ in
            test.standing { $0.control = nowhere }
        },
        Breakage(
            check: "control database", status: .failed, seen: "synchronous_commit is off", before: nil
        ) { test, _ in
            let pool = try pool(test, ["synchronous_commit": "off"])
            return test.standing { $0.control = pool }
        },
        Breakage(check: "control database", status: .failed, seen: "version 99", before: nil) { test, _ in
            try await test.asOwner { try await $0.run("update schema_version set version = 99") }
            return test
        },
        Breakage(check: "brands database", status: .failed, seen: "connect", before: nil) { test, _ in
            test.standing { $0.brands = nowhere }
        },
        Breakage(check: "redis", status: .failed, seen: "no connection") { test, _ in
            test.standing {
                $0.redis = RedisClient(
                    RedisConfiguration(socket: "/nonexistent"), on: TestServers.reactor)
            }
        },
        setting(
            "redis persistence", .failed, "appendfsync is everysec", before: .ok, "appendfsync", "everysec"),
        setting("redis persistence", .failed, "appendonly is no", before: .ok, "appendonly", "no"),
        setting(
            "redis persistence", .failed, "evicts events", before: .ok, "maxmemory-policy", "allkeys-lru"),
        // The shared server has no limit.
        setting("redis memory", .failed, "at the limit", before: .warning, "maxmemory", "700000"),
        Breakage(check: "disks", status: .failed, seen: "/nonexistent: it cannot be looked at") { test, _ in
            test.standing { $0.places.watchedDirectories = ["/nonexistent"] }
        },
        Breakage(check: "servers", status: .failed, seen: "1 of 1 server: nginx") { test, _ in
            try await test.supervisor.start(
                UnitSpecification(
                    name: "nginx", executable: "/bin/false", arguments: [],
                    logFile: "\(test.foundations.layout.logs)/nginx.log", readiness: .probe { false }))
            return test
        },
        Breakage(
            check: "leadership", status: .failed, seen: "the brands database knows 7",
            damage: { test, _ in
                try await test.foundations.brands.run("update constintel.leadership set term = 7")
                return test
            },
            repair: { test, _ in
                try await test.foundations.brands.run("update constintel.leadership set term = 0")
            }),
        Breakage(check: "leadership", status: .failed, seen: "leads under 5") { test, _ in
            let pool = try pool(test, ["constintel.term": "5"])
            return test.standing { $0.control = pool }
        },
        byOwner(
            "control rights", .failed, "audit_log: update is granted",
            "grant update on audit_log to constintel_control"),
        byOwner(
            "control rights", .failed, "brand: insert is missing",
            "revoke insert on brand from constintel_control"),
        byOwner(
            "control rights", .failed, "brand: writes are not held to the term",
            "alter table brand disable trigger leader_only"),
        byOwner("control rights", .failed, "retired_slug: the table is gone", "drop table retired_slug"),
    ]
}
