import Contract
import Foundation
import Kernel
import Testing
import Workflow

@testable import ControlPlane

/// Every operation, and the worst at each of its steps. The cases are made from the registry of operations,
/// so that a new kind or step is tried by existing.
///
@Suite("The crash matrix", .serialized)
struct CrashMatrixTests {
    @Test("every kind of operation has a scenario, and no scenario is of a kind that is no more")
    func complete() async throws {
        try await TestPlane.with { test in
            #expect(Scenario.all.map(\.kind).sorted() == test.plane.sagas.map(\.kind).sorted())
        }
    }

    @Test(
        "whatever happens at a step, an operation is done or everything is as before", arguments: Scenario.all
    )
    func everyStep(_ scenario: Scenario) async throws {
        try await TestPlane.with { test in
            try test.install(release: "2.0")
            let saga = try #require(test.plane.sagas.first { $0.kind == scenario.kind })
            let bystander = try TestPlane.slug()
            try await test.provision(bystander)
            var matrix = MatrixRun(test: test, scenario: scenario, bystander: bystander)
            try await matrix.undisturbed()
            var cases = 0
            for disturbance in Disturbance.all(of: saga, isThorough: Disturbance.isThorough) {
                try await matrix.run(disturbance)
                cases += 1
            }
            #expect(cases >= saga.steps.count * 2)
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
    /// Whether the operation must go on to its end. A failure may also take it back.
    var mustBeDone: Bool { action == .halt }

    var description: String { "\(action.rawValue) at \(step).\(place)" }

    /// In `infra/test.sh --soak`.
    static var isThorough: Bool { ProcessInfo.processInfo.environment["CONSTINTEL_SOAK"] != nil }

    /// A death between each step's effect and its journal entry, and a failure of each; thorough, also before
    /// the effect and after the journal entry.
    static func all(of saga: Saga, isThorough: Bool) -> [Disturbance] {
        saga.steps.flatMap { step in
            var all = [
                Disturbance(step: step.name, place: "afterEffect", action: .halt),
                Disturbance(step: step.name, place: "afterEffect", action: .fail),
            ]
            if isThorough {
                all += [
                    Disturbance(step: step.name, place: "beforeEffect", action: .halt),
                    Disturbance(step: step.name, place: "beforeEffect", action: .fail),
                    Disturbance(step: step.name, place: "afterJournal", action: .halt),
                ]
            }
            return all
        }
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

    mutating func undisturbed() async throws {
        let slug = try await test.brand(for: scenario)
        let before = try await test.inventory(of: [slug, bystander])
        let operation = try await test.settle(test.begin(scenario.request, slug))
        #expect(operation.state == .done, "\(operation.error ?? "")")
        done = try await test.inventory(of: [slug, bystander])
        if scenario.kind != "instance.restart" {
            #expect(done != before, "an operation that changes nothing would prove nothing")
        }
    }

    mutating func run(_ disturbance: Disturbance) async throws {
        let slug = if let unchanged { unchanged } else { try await test.brand(for: scenario) }
        unchanged = nil
        let before = try await test.inventory(of: [slug, bystander])
        let point = "\(scenario.kind).\(disturbance.step).\(disturbance.place):\(slug)"
        Failpoint.arm(point, disturbance.action)
        let id = try await test.begin(scenario.request, slug)
        var operation = try await test.settle(id)
        let hits = Failpoint.disarm(point)
        #expect(hits > 0, "\(scenario.kind): \(disturbance) never happened")
        if !operation.state.isFinal { operation = try await test.settle(id) }
        if operation.state == .stuck {
            #expect(!disturbance.mustBeDone && scenario.kind == "brand.purge", "\(disturbance): stuck")
            _ = try await test.call(.post, "/api/admin/operations/\(id)/retry")
            operation = try await test.settle(id)
            #expect(operation.state == .done, "\(disturbance): \(operation.error ?? "")")
        }
        let after = try await test.inventory(of: [slug, bystander])
        switch operation.state {
        case .done:
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
}
