import Contract
import Foundation
import Glibc
import Kernel
import Postgres
import Redis
import TestSupport
import Testing
import Workflow

@testable import ControlPlane

/// Every operation, and the worst at each of its steps. The cases are made from the registry of operations,
/// so that a new kind or step is tried by existing.
@Suite("The crash matrix", .serialized)
struct CrashMatrixTests {
    @Test("every kind of operation has a scenario, and no scenario is of a kind that is no more")
    func complete() async throws {
        try await TestPlane.with { test in
            #expect(Scenario.all.map(\.kind).sorted() == test.plane.sagas.map(\.kind).sorted())
        }
    }

    @Test(
        "whatever happens at a step, an operation is done or everything is as before",
        arguments: Scenario.all.filter { !$0.isAboutBackups })
    func everyStep(_ scenario: Scenario) async throws { try await MatrixRun.tryAll(scenario) }
}

/// A suite of its own, since those take seconds each: it runs beside the other.
@Suite("The crash matrix of backups", .serialized)
struct BackupCrashMatrixTests {
    @Test(
        "whatever happens at a step of a backup, a drill or a restore, it is done or everything is as before",
        arguments: Scenario.all.filter(\.isAboutBackups))
    func everyStep(_ scenario: Scenario) async throws { try await MatrixRun.tryAll(scenario) }
}

extension MatrixRun {
    /// The operation undisturbed, then under each disturbance.
    fileprivate static func tryAll(_ scenario: Scenario) async throws {
        try await TestPlane.with { test in
            try test.install(release: "2.0")
            let saga = try #require(test.plane.sagas.first { $0.kind == scenario.kind })
            let bystander = try TestPlane.slug()
            try await test.provision(bystander)
            var matrix = MatrixRun(test: test, scenario: scenario, bystander: bystander)
            let effects = try await matrix.undisturbed(saga)
            var cases = 0
            var disturbances = Disturbance.ofEachStep(of: saga, in: scenario)
            if Disturbance.isThorough { disturbances += Disturbance.thorough(saga, effects: effects) }
            for disturbance in disturbances {
                try await matrix.run(disturbance)
                cases += 1
            }
            #expect(cases >= scenario.ownSteps?.count ?? saga.steps.count)
            print("matrix: \(scenario.kind): \(cases) cases over \(saga.steps.count) steps")
        }
    }
}

/// What is done to an operation at one of its steps.
struct Disturbance: Sendable, CustomStringConvertible {
    let step: String
    /// The rest of the failpoint's name: `afterEffect`.
    let place: String
    let action: Failpoint.Action
    /// Which hit of the failpoint it is, from 1.
    var nth = 1
    /// A step that fails, so that the operation is taken back and the disturbance meets that.
    var failing: String?
    /// Whether, while nobody works on the operation, every connection to PostgreSQL and to Redis is lost and
    /// the brand's process killed.
    var losesParts = false
    /// What is done to the brand's unit meanwhile.
    var mishap: UnitMishap?

    /// How the operation may end, beside stuck where it cannot be taken back: a failure takes it back, and
    /// after a death it goes on the way it was going.
    var mustBeDone: Bool { action != .fail && failing == nil }

    var description: String {
        let back = failing.map { " while '\($0)' fails" } ?? ""
        let more = (losesParts ? " and parts lost" : "") + (mishap.map { " and \($0.rawValue)" } ?? "")
        return "\(action.rawValue) at \(step).\(place)@\(nth)\(back)\(more)"
    }

    /// In `infra/test.sh --soak`.
    static var isThorough: Bool { ProcessInfo.processInfo.environment["CONSTINTEL_TEST_SOAK"] != nil }

    /// A death between each step's effect and its journal entry, and a failure of each; of operations with
    /// backups, which take seconds each, one of the two by turns.
    static func ofEachStep(of saga: Saga, in scenario: Scenario) -> [Disturbance] {
        let actions = [Failpoint.Action.halt, .fail]
        let isSlow = scenario.isAboutBackups && !isThorough
        let steps = saga.steps.filter { !isSlow || scenario.ownSteps?.contains($0.name) ?? true }
        return steps.enumerated().flatMap { index, step in
            (isSlow ? [actions[index % 2]] : actions).map {
                Disturbance(step: step.name, place: "afterEffect", action: $0)
            }
        }
    }

    /// Before and after each step, at each thing within it that it changes, each done twice, the loss of what
    /// it stands on; and the same of each undo.
    ///
    /// - Parameter effects: how many things each step changes.
    static func thorough(_ saga: Saga, effects: [String: Int]) -> [Disturbance] {
        var all: [Disturbance] = []
        for step in saga.steps {
            all += [
                Disturbance(step: step.name, place: "beforeEffect", action: .halt),
                Disturbance(step: step.name, place: "beforeEffect", action: .fail),
                Disturbance(step: step.name, place: "afterJournal", action: .halt),
                Disturbance(step: step.name, place: "repeat", action: .again),
                Disturbance(step: step.name, place: "beforeEffect", action: .halt, losesParts: true),
            ]
            for nth in 0..<effects[step.name, default: 0] {
                all += [Failpoint.Action.halt, .fail].map {
                    Disturbance(step: step.name, place: "effect", action: $0, nth: nth + 1)
                }
            }
        }
        guard let last = saga.steps.last?.name, saga.steps.allSatisfy(\.isReversible) else { return all }
        for step in saga.steps {
            for (place, action) in [
                ("undo.beforeEffect", Failpoint.Action.halt), ("undo.afterEffect", .halt),
                ("undo.beforeEffect", .fail), ("undo.repeat", .again),
            ] { all.append(Disturbance(step: step.name, place: place, action: action, failing: last)) }
        }
        return all
    }
}

/// One kind of operation under one disturbance after the other.
struct MatrixRun {
    let test: TestPlane
    let scenario: Scenario
    let bystander: Slug
    /// What is there after an operation that nothing disturbs.
    private var done = Inventory(lines: [])
    /// A brand that the last case has left as it was.
    private var unchanged: Slug?

    init(test: TestPlane, scenario: Scenario, bystander: Slug) {
        self.test = test
        self.scenario = scenario
        self.bystander = bystander
    }

    /// Runs one to its end, as the measure of the others; gives how many things each step has changed.
    mutating func undisturbed(_ saga: Saga) async throws -> [String: Int] {
        let slug = try await test.brand(for: scenario)
        let before = try await test.inventory(of: [slug, bystander])
        let subject = scenario.subject(slug)
        for step in saga.steps { Failpoint.count("\(saga.kind).\(step.name).effect:\(subject)") }
        let operation = try await test.settle(test.begin(scenario.request, slug))
        var effects: [String: Int] = [:]
        for step in saga.steps {
            effects[step.name] = Failpoint.disarm("\(saga.kind).\(step.name).effect:\(subject)")
        }
        #expect(operation.state == .done, "\(operation.error ?? "")")
        done = try await test.inventory(of: [slug, bystander])
        // What a drill leaves is a receipt alone, which is a journal.
        if !["instance.restart", "brand.verify", "control.backup"].contains(scenario.kind) {
            #expect(done != before, "an operation that changes nothing would prove nothing")
        }
        return effects
    }

    mutating func run(_ disturbance: Disturbance) async throws {
        let slug = if let unchanged { unchanged } else { try await test.brand(for: scenario) }
        unchanged = nil
        let before = try await test.inventory(of: [slug, bystander])
        let operation = try await disturbed(disturbance, slug)
        // Who looks after units that no operation has to do with.
        if disturbance.mishap != nil { try await test.plane.reconciler.pass() }
        let after = try await test.inventory(of: [slug, bystander])
        switch operation.state {
        case .done:
            #expect(disturbance.failing == nil)
            let difference = after.difference(from: done)
            #expect(difference == [], "\(scenario.kind): \(disturbance): not as an undisturbed one leaves it")
        case .failed:
            #expect(!disturbance.mustBeDone, "\(disturbance): \(operation.error ?? "")")
            let difference = after.difference(from: before)
            #expect(difference == [], "\(scenario.kind): \(disturbance): not as before")
            unchanged = slug
        default:
            Issue.record("\(scenario.kind): \(disturbance) ended as \(operation.state)")
        }
    }

    /// The operation under the disturbance, at its end.
    private func disturbed(_ disturbance: Disturbance, _ slug: Slug) async throws -> OperationView {
        let subject = scenario.subject(slug)
        let failing = disturbance.failing.map { "\(scenario.kind).\($0).afterEffect:\(subject)" }
        if let failing { Failpoint.arm(failing, .fail) }
        let point = "\(scenario.kind).\(disturbance.step).\(disturbance.place):\(subject)"
        Failpoint.arm(point, disturbance.action, nth: disturbance.nth)
        let id = try await test.begin(scenario.request, slug)
        var operation = try await test.settle(id)
        #expect(Failpoint.disarm(point) >= disturbance.nth, "\(scenario.kind): \(disturbance) never happened")
        if disturbance.losesParts { try await test.loseParts(of: slug) }
        if let mishap = disturbance.mishap, let units = test.units {
            try await mishap.strike(slug.unitName, units)
        }
        if !operation.state.isFinal { operation = try await test.settle(id) }
        if let failing { #expect(Failpoint.disarm(failing) > 0) }
        if operation.state == .stuck {
            // systemd refuses to clean a unit that it is still cleaning, and here each step has one attempt.
            let mayBe = !disturbance.mustBeDone || disturbance.mishap != nil
            #expect(mayBe && scenario.kind == "brand.purge", "\(disturbance): stuck")
            _ = try await test.call(.post, "/api/admin/operations/\(id)/retry")
            operation = try await test.settle(id)
            #expect(operation.state == .done, "\(disturbance): \(operation.error ?? "")")
        }
        return operation
    }
}

extension TestPlane {
    /// Every connection to this installation's databases and the one to Redis end, and the brand's process is
    /// killed.
    fileprivate func loseParts(of slug: Slug) async throws {
        let redis = RedisClient(try TestServers().redis, on: TestServers.reactor)
        let client = try await foundations.redis.send("CLIENT", "ID").integer ?? 0
        let killed = try await redis.send("CLIENT", "KILL", "ID", "\(client)").integer
        #expect(killed == 1, "the connection to Redis was not lost")
        await redis.close()
        let administrator = try await PostgresConnection.connect(
            TestServers().postgres, on: TestServers.reactor)
        let brands = foundations.places.brandsDatabase
        try await administrator.run(
            """
            select pg_terminate_backend(pid) from pg_stat_activity
            where datname in (\(brands), \(brands.replacing("_brands", with: ""))) and pid <> pg_backend_pid()
            """)
        await administrator.close()
        // What this test asks by itself must not meet a connection that has ended.
        _ = try? await foundations.redis.send("PING")
        for _ in 0..<12 {
            for pool in [foundations.control, foundations.brands] { _ = try? await pool.run("select 1") }
        }
        if let pid = await supervisor.status(slug.unitName)?.pid { kill(pid, SIGKILL) }
    }
}
