import Contract
import Kernel
import Postgres
import Supervision
import TestSupport
import Workflow

@testable import ControlPlane

extension Fleet {
    /// Does one thing, of any kind, to a brand or to all; gives its name, or nil when it could not be done.
    func disturb(_ generator: inout SeededGenerator) async throws -> String? {
        guard let slug = brands.randomElement(using: &generator) else { return nil }
        switch Int.random(in: 0..<10, using: &generator) {
        case 0..<4:
            guard let wish = Wish.allCases.randomElement(using: &generator) else { return nil }
            return try await wish.apply(to: slug, of: self, &generator) ? wish.rawValue : nil
        case 4..<7:
            guard let damage = Damage.allCases.randomElement(using: &generator) else { return nil }
            try await damage.apply(to: slug, of: self)
            return damage.rawValue
        case 7..<9:
            guard let mishap = Mishap.allCases.randomElement(using: &generator) else { return nil }
            try await mishap.happen(to: self, &generator)
            return mishap.rawValue
        default:
            try? await reconciler.pass()
            return "pass"
        }
    }

    /// Ends all faults, lets every quarantine pass and the reconciler work; gives what is still wrong.
    ///
    /// Paused brands must come out of that as they went in; then they are taken up again.
    func settle() async throws -> [String] {
        supervisor.recover()
        let paused = try await control.run(
            "select slug from brand join instance on brand_id = id"
                + " where paused_reason is not null"
        ).map { try $0.decode(0, as: Slug.self) }
        try await awaitReadable(paused)
        let before = try await eyes.inventory(of: paused)
        test.clock.advance(by: ReconcilerPath.trust + .seconds(3600))
        try await passAFewTimes()
        var wrong = try await eyes.inventory(of: paused).difference(from: before).map { "paused: \($0)" }
        for slug in brands where !paused.contains(slug) { wrong += try await differences(slug) }
        try await control.run("update instance set paused_reason = null where paused_reason is not null")
        try await passAFewTimes()
        for slug in brands { wrong += try await differences(slug) }
        let quiet = try await trace()
        try await reconciler.pass()
        if try await trace() != quiet { wrong.append("a further pass has changed something") }
        return wrong
    }

    private func passAFewTimes() async throws {
        for _ in 0..<3 { try? await reconciler.pass() }
        try await awaitUnits()
        try await reconciler.pass()
    }

    /// A unit that nobody may set right may be on its way to failing again: it is stopped.
    private func awaitReadable(_ paused: [Slug]) async throws {
        for slug in paused {
            guard let status = await test.supervisor.status(slug.unitName), status.state != .ready else {
                continue
            }
            try await test.supervisor.stop(slug.unitName)
        }
    }

    /// How long a process that knows nothing takes until these brands have a new revision in their schemas.
    func timeToProject(
        _ slugs: [Slug], pausingBy clock: any Clock<Duration> = ContinuousClock()
    ) async throws -> Duration {
        try await control.run("update instance set revision = revision + 1")
        var foundations = test.foundations
        foundations.saga.clock = clock
        let reconciler = ControlPlane(foundations).reconciler
        let start = ContinuousClock.now
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await reconciler.run() }
            while try await unprojected(slugs) > 0 { try await Task.sleep(for: .milliseconds(5)) }
            let duration = ContinuousClock.now - start
            supervisor.recover()
            group.cancelAll()
            while let result = await group.nextResult() { _ = result }
            return duration
        }
    }

    private func unprojected(_ slugs: [Slug]) async throws -> Int {
        try await control.run(
            """
            select count(*)::int from brand join instance on instance.brand_id = brand.id
                left join observation on observation.brand_id = brand.id
            where slug = any(\(slugs.map(\.text)))
                and (projected_revision, failures) is distinct from (revision, 0)
            """)[0].decode(0, as: Int.self)
    }

    /// How many statements a pass over brands that are as they should be sends to the control database; none
    /// of them is in a transaction of several.
    func statementsOfUnchangedPass() async throws -> Int {
        let schema = try test.schema()
        let pool = PostgresPool(
            schema.administrator.with(database: schema.control)
                .with(settings: SchemaStore.controlSettings(term: 0)),
            maximum: 1, reactor: TestServers.reactor, logger: TestPlane.silent)
        var foundations = test.foundations
        foundations.control = pool
        let reconciler = ControlPlane(foundations).reconciler
        try await reconciler.pass()
        var counts: [Int64] = []
        for _ in 0..<5 {
            let idle = try await transactions(of: pool) {}
            counts.append(try await transactions(of: pool) { try await reconciler.pass() } - idle)
        }
        await pool.close()
        return Int(counts.min() ?? 0)
    }

    /// Transactions that ended in the pool's database during `body`, and those that count them.
    private func transactions(of pool: PostgresPool, _ body: () async throws -> Void) async throws -> Int64 {
        func count() async throws -> Int64 {
            try await pool.run("select pg_stat_force_next_flush()")
            return try await pool.run(
                "select pg_stat_get_db_xact_commit(oid) from pg_database where datname = current_database()"
            )[0].decode(0, as: Int64.self)
        }
        let before = try await count()
        try await body()
        return try await count() - before
    }
}

extension TestPlane {
    /// Runs `executor` until the operation is final.
    func follow(_ id: OperationID, by executor: SagaExecutor) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try? await executor.run() }
            while try await !call(.get, "/api/admin/operations/\(id)").decode(OperationView.self).state
                .isFinal
            {
                try await Task.sleep(for: .milliseconds(5))
            }
            group.cancelAll()
        }
    }
}

/// A clock on which pauses are shorter by a factor.
struct HastyClock: Clock {
    typealias Instant = ContinuousClock.Instant

    let factor: Int
    var now: Instant { ContinuousClock.now }
    var minimumResolution: Duration { .nanoseconds(1) }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try await ContinuousClock().sleep(for: (deadline - .now) / factor)
    }
}
