import Contract
import Foundation
import Hummingbird
import HummingbirdTesting
import Kernel
import Logging
import Postgres
import Redis
import Sealing
import Supervision
import Synchronization
import TestSupport
import Workflow

@testable import ControlPlane

/// A control plane over databases, a directory and a supervisor of a test's own. Its instances are a small
/// program that only says that it is ready.
struct TestPlane: Sendable {
    let foundations: ControlPlane.Foundations
    let plane: ControlPlane
    let clock: MovableClock
    let supervisor: any Supervisor
    /// The boxed systemd's, where it supervises the instances.
    var units: BoxedUnits?

    /// Runs `body`, then takes everything away that it left.
    ///
    /// - Parameter isUnderSystemd: whether instances are units of the boxed systemd, not child processes.
    static func with(
        isUnderSystemd: Bool = false, _ body: (TestPlane) async throws -> Void
    ) async throws {
        let servers = try TestServers()
        let reactor = TestServers.reactor
        let name = "control_\(UInt64.random(in: 0...UInt64.max))"
        let administrator = try await PostgresConnection.connect(servers.postgres, on: reactor)
        try await SchemaStore(
            administrator: servers.postgres, control: name, brands: "\(name)_brands", reactor: reactor
        ).prepare()
        let directory = try TestPlane.directory()
        let redis = RedisClient(servers.redis, on: reactor)
        let pools = [
            ("", SchemaStore.controlSettings(term: 0)), ("_brands", ["constintel.term": "0"]),
        ].map { suffix, settings in
            PostgresPool(
                servers.postgres.with(database: name + suffix).with(settings: settings), maximum: 6,
                reactor: reactor, logger: silent)
        }
        let result: Result<Void, any Error>
        do {
            try await pools[1].withConnection { try await LeadershipStore.prepare(brands: $0) }
            try await PlanStore(pool: pools[0]).install(plans)
            let layout = StateLayout(root: directory, run: "\(directory)/run", logs: "\(directory)/log")
            let units = isUnderSystemd ? try await BoxedUnits(layout) : nil
            let plane = try TestPlane(
                pools: pools, redis: redis, layout: layout, units: units, database: "\(name)_brands")
            let outcome: Void = try await plane.running { try await body(plane) }
            try await plane.removeBrands()
            result = .success(outcome)
        } catch {
            result = .failure(error)
        }
        for pool in pools { await pool.close() }
        for database in [name, "\(name)_brands"] {
            try await administrator.run("drop database \(identifier: database) with (force)")
        }
        await administrator.close()
        await redis.close()
        try? FileManager.default.removeItem(atPath: directory)
        try result.get()
    }

    static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    static let plans = [
        Plan(
            name: "free", initialStatus: .trial,
            limits: Plan.Limits(eventsPerSecond: 50, streamEntries: 1000, connections: 2, apiKeys: 2)),
        Plan(
            name: "pro", initialStatus: .active,
            limits: Plan.Limits(eventsPerSecond: 50, streamEntries: 1000, connections: 3, apiKeys: 20)),
    ]

    private init(
        pools: [PostgresPool], redis: RedisClient, layout: StateLayout, units: BoxedUnits?, database: String
    ) throws {
        let (servers, directory) = (try TestServers(), layout.root)
        let program = "\(directory)/instance"
        try Data(TestPlane.program.utf8).write(to: URL(fileURLWithPath: program))
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: program)
        try FileManager.default.createDirectory(atPath: layout.logs, withIntermediateDirectories: true)
        self.units = units
        supervisor =
            try units?.supervisor
            ?? ChildProcessSupervisor(directory: "\(directory)/units", logger: TestPlane.silent)
        clock = MovableClock()
        var foundations = ControlPlane.Foundations(
            control: pools[0], brands: pools[1], redis: redis, supervisor: supervisor,
            keys: try PlatformKeys.load(from: layout.secrets), layout: layout,
            places: ControlPlane.Places(
                edge: "http://edge.test", instanceExecutable: program, postgresHost: servers.postgres.host,
                postgresPort: servers.postgres.port, brandsDatabase: database,
                redisSocket: servers.redis.socket, watchedDirectories: [directory]),
            logger: TestPlane.silent)
        foundations.plans = TestPlane.plans
        foundations.places.isUnderSystemd = units != nil
        foundations.clock = clock
        foundations.saga.perform = RetryPolicy(attempts: 1, first: .zero, longest: .zero)
        foundations.saga.period = .milliseconds(20)
        self.foundations = foundations
        plane = ControlPlane(foundations)
    }

    init(
        foundations: ControlPlane.Foundations, plane: ControlPlane, clock: MovableClock,
        supervisor: any Supervisor
    ) {
        self.foundations = foundations
        self.plane = plane
        self.clock = clock
        self.supervisor = supervisor
    }

    static let program = """
        #!/usr/bin/python3
        import json, os, socket, sys, time
        delivered = os.environ.get("CREDENTIALS_DIRECTORY", "") + "/instance.json"
        configuration = json.load(open(sys.argv[2] if sys.argv[2:] else delivered))
        assert configuration["generation"] >= 1
        if "--refold" in sys.argv:
            report = {"events": 0, "identifiers": 0, "decisions": 0, "differences": []}
            print(json.dumps(report | {"applied": "apply" in sys.argv}))
            sys.exit(0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
        while True: time.sleep(60)
        """

    private func running(_ body: () async throws -> Void) async throws {
        guard let children = supervisor as? ChildProcessSupervisor else {
            let result: Result<Void, any Error>
            do { result = .success(try await body()) } catch { result = .failure(error) }
            try await units?.remove()
            return try result.get()
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await children.run() }
            let result: Result<Void, any Error>
            do {
                result = .success(try await body())
            } catch {
                result = .failure(error)
            }
            await children.stopAll()
            group.cancelAll()
            try result.get()
        }
    }

    /// A new directory of this test's own.
    static func directory() throws -> String {
        let root =
            ProcessInfo.processInfo.environment["CONSTINTEL_TEST_DIRECTORY"]
            ?? FileManager.default.currentDirectoryPath + "/.build/tests"
        let path = "\(root)/\(String(UInt32.random(in: .min ... .max), radix: 36))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }
}

extension TestPlane {
    /// A slug that no other test has: roles and Redis users are the server's, not the test's.
    static func slug() throws -> Slug { try Slug("t\(String(UInt64.random(in: 0...UInt64.max), radix: 36))") }

    /// Runs a new daemon's executor until the operation is final or the executor halts at a failpoint.
    @discardableResult
    func settle(_ id: OperationID) async throws -> OperationView {
        let operations = Operations(
            store: OperationStore(pool: foundations.control, clock: clock),
            steps: StepStore(pool: foundations.control), pauses: ContinuousClock())
        let executor = ControlPlane(foundations).executor
        return try await withThrowingTaskGroup(of: Void.self) { group in
            let halted = Atomic<Bool>(false)
            group.addTask {
                defer { halted.store(true, ordering: .relaxed) }
                do { try await executor.run() } catch is CancellationError {}
            }
            while !halted.load(ordering: .relaxed), try await !operations.show("\(id)").state.isFinal {
                try await Task.sleep(for: .milliseconds(5))
            }
            group.cancelAll()
            try await group.waitForAll()
            return try await operations.show("\(id)")
        }
    }

    /// Asks for a brand by the API and provisions it.
    @discardableResult
    func provision(_ slug: Slug, plan: String = "free") async throws -> OperationView {
        try await settle(request(slug, plan: plan))
    }

    /// Asks for a brand by the API.
    func request(_ slug: Slug, plan: String = "free") async throws -> OperationID {
        let answer = try await call(.post, "/api/admin/brands", BrandDraft(slug: slug.text, plan: plan))
        return try answer.decode(OperationView.self).id
    }

    /// Everything outside of the control database that a brand can have, for comparing before and after.
    func inventory(_ slug: Slug) async throws -> [String] {
        var found: [String] = []
        let names = [slug.ownerRole, slug.runtimeRole]
        found += try await foundations.brands.run(
            "select rolname from pg_roles where rolname = any(\(names))"
        )
        .map { "role \(try $0.decode(0, as: String.self))" }
        found += try await foundations.brands.run(
            "select nspname from pg_namespace where nspname = \(slug.schemaName)"
        ).map { "schema \(try $0.decode(0, as: String.self))" }
        found += try await foundations.control.run("select slug from brand where slug = \(slug)")
            .map { "brand \(try $0.decode(0, as: String.self))" }
        found += try await foundations.redis.users().filter { $0 == slug.redisUser }.map { "user \($0)" }
        let layout = foundations.layout
        found += [layout.instance(slug), layout.marker(slug), layout.socket(slug)].filter {
            FileManager.default.fileExists(atPath: $0)
        }
        if await supervisor.status(slug.unitName) != nil { found.append("unit \(slug.unitName)") }
        return found
    }

    /// Runs `body` as the owner of the control database's tables, which the daemon's role is not.
    @discardableResult
    func asOwner<T>(_ body: (PostgresConnection) async throws -> T) async throws -> T {
        let schema = try schema()
        let connection = try await PostgresConnection.connect(
            schema.administrator.with(database: schema.control).with(settings: ["constintel.term": "0"]),
            on: TestServers.reactor)
        do {
            let value = try await body(connection)
            await connection.close()
            return value
        } catch {
            await connection.close()
            throw error
        }
    }

    /// What prepares this installation's databases.
    func schema() throws -> SchemaStore {
        let brands = foundations.places.brandsDatabase
        return SchemaStore(
            administrator: try TestServers().postgres, control: brands.replacing("_brands", with: ""),
            brands: brands, reactor: TestServers.reactor)
    }

    /// `RedisClient.deleteUser`, on a server that keeps no file of its users.
    func deleteRedisUser(_ slug: Slug) async throws {
        try await StreamUsers(client: foundations.redis, logger: TestPlane.silent).delete(slug)
    }

    private func removeBrands() async throws {
        let instances = try await foundations.control.run("select id, slug from brand")
            .decode((BrandID, Slug).self)
        let tenants = TenantStore(pool: foundations.brands, clock: clock)
        for (id, slug) in instances {
            try await tenants.dropSchema(slug, of: id)
            try await tenants.dropRoles(slug, of: id)
            try await deleteRedisUser(slug)
        }
    }
}

/// A clock that shows the real time until a test moves it.
final class MovableClock: WallClock {
    private let offset = Mutex(Duration.zero)

    func now() -> Timestamp { SystemWallClock().now() + offset.withLock { $0 } }

    func advance(by duration: Duration) { offset.withLock { $0 += duration } }
}
