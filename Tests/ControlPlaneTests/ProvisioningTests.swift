import Contract
import Foundation
import Kernel
import Postgres
import Sealing
import Testing
import TestSupport
import Workflow

@testable import ControlPlane

@Suite("Provisioning a brand")
struct ProvisioningTests {
    @Test("it ends with a trial brand whose instance is ready and whose state is projected")
    func provisions() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            let operation = try await test.provision(slug)
            #expect(operation.state == .done, "\(operation.error ?? "")")
            #expect(operation.progress == OperationView.Progress(done: 10, total: 10, unit: "steps"))
            let brand = try await test.call(.get, "/api/admin/brands/\(slug)").decode(BrandView.self)
            #expect(brand.status == .trial)
            #expect(brand.instance.state == "ready")
            #expect(brand.instance.generation == 1)
            let state = try await test.foundations.brands.run(
                "select brand_id, status, revision from \(identifier: slug.schemaName).brand_state"
            )[0].decode((BrandID, String, Int64).self)
            #expect(state == (brand.id, "trial", 1))
        }
    }

    @Test("many brands are made at the same time, and are gone at the same time")
    func atOnce() async throws {
        try await TestPlane.with { test in
            let slugs = try (0..<32).map { _ in try TestPlane.slug() }
            var operations: [OperationID] = []
            for slug in slugs { operations.append(try await test.request(slug)) }
            for id in operations {
                let operation = try await test.settle(id)
                #expect(operation.state == .done, "\(operation.error ?? "")")
            }
            let tenants = TenantStore(pool: test.foundations.brands, clock: test.clock)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for slug in slugs {
                    let found = try await test.foundations.control.run(
                        "select id from brand where slug = \(slug)")
                    let brand = try found[0].decode(BrandID.self)
                    group.addTask {
                        try await tenants.dropSchema(slug, of: brand)
                        try await tenants.dropRoles(slug, of: brand)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("the runtime role reads and writes rows by its password, and can do nothing else")
    func rights() async throws {
        try await TestPlane.with { test in
            let (slug, other) = (try TestPlane.slug(), try TestPlane.slug())
            try await test.provision(slug)
            try await test.provision(other)
            let connection = try await test.connect(as: slug)
            let settings = try await connection.run(
                "select current_setting('search_path'), current_setting('statement_timeout')"
            )[0].decode((String, String).self)
            #expect(settings == (slug.schemaName, "1min"))
            try await connection.run("select revision from brand_state")
            try await connection.run(
                "insert into event_key (source, key, event_id) values ('a', 'b', \(id()))")
            let forbidden: [SQL] = [
                "update brand_state set status = 'active'", "insert into api_key select * from api_key",
                "create table mine (id int)", "drop table event_key",
                "update writer_lease set generation = 2",
                "select ensure_event_partitions(1)", "select make_checkpoint(now(), now())",
                "select adopt_checkpoint(now(), now(), 0)", "select sweep_behind_checkpoint()",
                "update fold_checkpoint set received_before = now()", "create role other_role",
                "select 1 from \(identifier: other.schemaName).brand_state",
                "set role \(identifier: slug.ownerRole)",
            ]
            for statement in forbidden {
                let error = await #expect(throws: PostgresError.self) { try await connection.run(statement) }
                #expect(error?.sqlState == "42501", "\(statement)")
            }
            await connection.close()
            await #expect(throws: Fault.self, "PUBLIC has no rights on the control database") {
                var control = test.configuration(of: slug, password: try test.password(of: slug))
                control.database = control.database.replacing("_brands", with: "")
                _ = try await PostgresConnection.connect(control, on: TestServers.reactor)
            }
        }
    }

    @Test("credentials are files that only the service can read")
    func files() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let directory = test.foundations.layout.instance(slug)
            func mode(_ path: String) throws -> Int {
                try #require(
                    FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
                ).intValue
            }
            for name in ["postgres-password", "redis-password", "token-key-1.pub", "token-key-2.pub"] {
                #expect(try mode("\(directory)/credentials/\(name)") == 0o600)
            }
            #expect(try mode(directory) == 0o700)
            let data = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/instance.json"))
            let told = try JSONDecoder().decode(InstanceConfiguration.self, from: data)
            #expect(told.slug == slug)
            #expect(told.database.role == slug.runtimeRole)
            #expect(FileManager.default.fileExists(atPath: test.foundations.layout.marker(slug)))
            let password = try test.password(of: slug)
            #expect(!String(decoding: data, as: UTF8.self).contains(password.reveal()))
        }
    }

    @Test("an undo that fails for good leaves the operation stuck with its runbook, and the brand held")
    func sticks() async throws {
        try await TestPlane.with { test in
            var foundations = test.foundations
            foundations.saga.undo = RetryPolicy(attempts: 3, first: .zero, longest: .zero)
            let slug = try TestPlane.slug()
            Failpoint.arm("brand.provision.createSchema.afterEffect:\(slug)", .fail)
            Failpoint.arm("brand.provision.createRoles.undo.beforeEffect:\(slug)", .fail, times: 3)
            let operation = try await test.with(foundations).settle(test.request(slug))
            #expect(operation.state == .stuck)
            #expect(operation.runbook == "runbooks/provision-stuck.md")
            #expect(Failpoint.disarm("brand.provision.createRoles.undo.beforeEffect:\(slug)") == 3)
            Failpoint.disarm("brand.provision.createSchema.afterEffect:\(slug)")
            let again = try await test.call(.post, "/api/admin/brands", BrandDraft(slug: slug.text))
            #expect(again.status == 409)
        }
    }

    @Test("a role of the same name that is not the brand's is neither taken over nor dropped")
    func foreignRole() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.foundations.brands.run("create role \(identifier: slug.runtimeRole)")
            let operation = try await test.provision(slug)
            #expect(operation.state == .failed)
            #expect(operation.error?.contains("not this brand's") == true)
            #expect(try await test.inventory(slug) == ["role \(slug.runtimeRole)"])
            try await test.foundations.brands.run("drop role \(identifier: slug.runtimeRole)")
        }
    }

    @Test("a daemon that starts again runs what is meant to run and projects what has changed")
    func reconciles() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            try await test.supervisor.stop(slug.unitName)
            try await test.deleteRedisUser(slug)
            try await test.foundations.control.run("update instance set revision = revision + 1")
            try await test.plane.reconciler.pass()
            try await test.plane.reconciler.pass()
            try await test.supervisor.awaitReady(slug.unitName)
            #expect(try await test.foundations.redis.users().contains(slug.redisUser))
            let revision = try await test.foundations.brands.run(
                "select revision from \(identifier: slug.schemaName).brand_state")
            #expect(try revision[0].decode(0, as: Int64.self) == 2)
        }
    }

    private func id() -> UUIDv7 { UUIDv7(at: SystemWallClock().now()) }
}

extension TestPlane {
    /// The same installation under a daemon with other settings.
    func with(_ foundations: ControlPlane.Foundations) -> TestPlane {
        TestPlane(
            foundations: foundations, plane: ControlPlane(foundations), clock: clock, supervisor: supervisor)
    }

    func password(of slug: Slug) throws -> Secret {
        let path = "\(foundations.layout.instance(slug))/credentials/postgres-password"
        return Secret(try String(contentsOfFile: path, encoding: .utf8))
    }

    func configuration(of slug: Slug, password: Secret) -> PostgresConfiguration {
        let places = foundations.places
        return PostgresConfiguration(
            host: places.postgresHost, port: places.postgresPort, database: places.brandsDatabase,
            user: slug.runtimeRole, password: password, applicationName: "tests")
    }

    func connect(as slug: Slug) async throws -> PostgresConnection {
        try await .connect(
            configuration(of: slug, password: password(of: slug)), on: TestServers.reactor)
    }

    /// The sealed secrets of the brand, or nil before they are made.
    func passwords(of slug: Slug) async throws -> [String]? {
        try await foundations.control.run(
            """
            select sealed_postgres_password, sealed_redis_password
            from instance join brand on brand.id = brand_id where slug = \(slug)
            """
        ).first.map { [try $0.decode(0, as: String.self), try $0.decode(1, as: String.self)] }
    }
}
