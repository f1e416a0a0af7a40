import Contract
import Foundation
import Kernel
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import ControlPlane

@Suite("The look at the whole installation")
struct CheckTests {
    /// What the servers that all tests share, or what a new installation has not, makes of these.
    private static let shared: Set = [
        "control database", "brands database", "redis memory", "leftovers", "recovery passphrase",
    ]

    @Test("whatever is broken on purpose is found by the check whose matter it is", arguments: Breakage.all)
    func finds(_ breakage: Breakage) async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            test.clock.advance(by: .seconds(60))
            if let before = breakage.before {
                let found = try await test.finding(breakage.check)
                #expect(found.status == before, "\(found)")
            }
            let asked = try await breakage.damage(test, slug)
            let found = try await asked.finding(breakage.check)
            try await breakage.repair(asked, slug)
            let seen = breakage.seen.replacing("SLUG", with: slug.text)
                .replacing("ROLE", with: slug.runtimeRole)
            #expect(found.status == breakage.status, "\(found)")
            #expect(found.seen.contains(seen), "\(found)")
            #expect(found.remedy?.isEmpty == false)
            if breakage.isAboutBrand { #expect(found.brands == [slug], "\(found)") }
        }
    }

    @Test("every check is broken by some test, and has its part of the runbook")
    func complete() async throws {
        try await TestPlane.with { test in
            let names = test.plane.checks.all.map(\.name)
            #expect(Set(names).count == names.count)
            #expect(Set(Breakage.all.map(\.check)) == Set(names))
            let checkout = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_CHECKOUT"] ?? "."
            let runbook = try String(contentsOfFile: "\(checkout)/runbooks/check.md", encoding: .utf8)
            for name in names { #expect(runbook.contains("\n## \(name)\n"), "\(name)") }
        }
    }

    @Test("a sound installation is found so, and a look at it changes nothing")
    func sound() async throws {
        try await TestPlane.with { test in
            let slugs = [try TestPlane.slug(), try TestPlane.slug()]
            for slug in slugs { try await test.provision(slug) }
            test.clock.advance(by: .seconds(60))
            let before = try await test.inventory(of: slugs)
            let audited = try await test.auditRows()
            let view = try await test.checkView()
            for finding in view.findings where !CheckTests.shared.contains(finding.check) {
                #expect(finding.status == .ok, "\(finding)")
                #expect(finding.remedy == nil && finding.brands == [])
            }
            #expect(view.status < .failed)
            #expect(try await test.inventory(of: slugs) == before)
            #expect(try await test.auditRows() == audited)
        }
    }

    @Test("without a database what stands on it is not looked at, and the answer comes nevertheless")
    func away() async throws {
        try await TestPlane.with { test in
            let nowhere = PostgresConfiguration(
                host: "/nonexistent", database: "postgres", user: "nobody", applicationName: "tests")
            let away = test.standing {
                $0.control = PostgresPool(
                    nowhere, maximum: 2, reactor: TestServers.reactor, logger: TestPlane.silent)
            }
            let view = try await away.checkView()
            #expect(view.status == .failed)
            #expect(view.findings.map(\.check) == away.plane.checks.all.map(\.name))
            let skipped = view.findings.filter { $0.seen == "not looked at, without the control database" }
            #expect(skipped.count == 18, "\(skipped.map(\.check))")
            #expect(skipped.allSatisfy { $0.status == .warning && $0.remedy == nil })
            #expect(view.findings.first { $0.check == "redis persistence" }?.status == .ok)
        }
    }

    @Test("it is for admins, operators and the operator on this machine, and for nobody else")
    func access() async throws {
        try await TestPlane.with { test in
            let slug = try TestPlane.slug()
            try await test.provision(slug)
            let table: [(UserRole, String?, Int)] = [
                (.admin, nil, 200), (.operator, nil, 200), (.brandOwner, slug.text, 403),
                (.brandUser, slug.text, 403),
            ]
            for (role, brand, status) in table {
                let email = "\(role.rawValue)@example.com"
                let token = try await test.login(role, brand: brand, email: email).accessToken
                let answer = try await test.call(.get, "/api/admin/check", token: token)
                #expect(answer.status == status, "\(role)")
            }
            #expect(try await test.call(.get, "/api/admin/check", token: "").status == 401)
        }
    }

    @Test("brands that are being made, or that an operation changes, are nobody's trouble")
    func changing() async throws {
        try await TestPlane.with { test in
            let (asked, changed) = (try TestPlane.slug(), try TestPlane.slug())
            try await test.provision(changed)
            _ = try await test.request(asked)
            test.clock.advance(by: .seconds(60))
            try await test.supervisor.stop(changed.unitName)
            #expect(try await test.finding("instances").brands == [changed])
            let suspended = try await test.call(
                .post, "/api/admin/brands/\(changed)/suspend", ReasonBody(reason: "unpaid"))
            #expect(suspended.status == 202)
            for check in ["instances", "schemas", "roles", "grants", "redis users", "projections"] {
                let found = try await test.finding(check)
                #expect(found.status == .ok && found.seen == "0 brands", "\(found)")
            }
        }
    }

    @Test("many brands take few connections, and are summed into one line")
    func many() async throws {
        try await TestPlane.with { test in
            let slugs = try await test.place(brands: 12)
            let peak = Peak()
            let view = try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    while !Task.isCancelled {
                        let control = await test.foundations.control.occupancy
                        let brands = await test.foundations.brands.occupancy
                        peak.note(control.used, brands.used)
                        await Task.yield()
                    }
                }
                let clock = ContinuousClock()
                let start = clock.now
                let view = try await test.checkView()
                print("check: \(slugs.count) brands in \(clock.now - start)")
                group.cancelAll()
                return view
            }
            let used = peak.used
            print("check: at most \(used.control) and \(used.brands) connections")
            #expect((1...Checks.lanes).contains(used.control) && (1...Checks.lanes).contains(used.brands))
            for check in ["schemas", "roles", "grants", "partitions"] {
                let found = try #require(view.findings.first { $0.check == check })
                #expect(found.status == .ok && found.seen == "\(slugs.count) brands", "\(found)")
            }
            let found = try #require(view.findings.first { $0.check == "instances" })
            let named = slugs.sorted().prefix(3).map { "\($0): not running, and meant to run" }
            #expect(
                found.seen == "\(slugs.count) of \(slugs.count) brands: \(named.joined(separator: "; ")); "
                    + "and \(slugs.count - 3) more")
            #expect(found.brands == Array(slugs.sorted().prefix(Finding.maximumBrands)))
        }
    }
}

/// The most connections that were seen in use.
private final class Peak: Sendable {
    private let most = Mutex((control: 0, brands: 0))

    var used: (control: Int, brands: Int) { most.withLock { $0 } }

    func note(_ control: Int, _ brands: Int) {
        most.withLock { $0 = (max($0.control, control), max($0.brands, brands)) }
    }
}

extension TestPlane {
    /// Brands that have their place in the databases, and nothing else.
    fileprivate func place(brands count: Int) async throws -> [Slug] {
        var slugs: [Slug] = []
        let verifier = ScramVerifier(Secret("none"))
        for _ in 0..<count {
            let slug = try TestPlane.slug()
            slugs.append(slug)
            _ = try await request(slug)
            try await foundations.control.run(all: [
                "delete from operation",
                "update brand set status = 'trial' where slug = \(slug)",
                """
                insert into instance (brand_id, intent, generation, revision, sealed_postgres_password,
                    sealed_redis_password, updated_at)
                select id, 'running', 1, 1, 'a.b', 'a.b', now() from brand where slug = \(slug)
                """,
            ])
            let instance = try await plane.instances.store.instance(slug)
            try await plane.instances.tenants.createRoles(instance, verifier: verifier)
            try await plane.instances.tenants.createSchema(instance)
            try await plane.instances.project(slug)
        }
        return slugs
    }
}
