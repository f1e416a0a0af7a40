import Contract
import Foundation
import Kernel
import Testing
import Workflow

@testable import ControlPlane
@testable import Supervision

/// The crash matrix where instances are units of a real systemd, with what people and bad luck do to units.
@Suite("The crash matrix over systemd", .enabled(if: BoxedUnits.isThere), .serialized)
struct RealSystemdMatrixTests {
    /// Kinds that have no business with the unit, or the same as another, are left to the matrix over child
    /// processes.
    private static let scenarios = Scenario.all.filter {
        ![
            "brand.update", "brand.suspend", "brand.resume", "brand.backup", "brand.verify", "brand.recover",
            "brand.clone", "control.backup",
        ].contains($0.kind)
    }

    @Test("a death at a step, with a mishap to the unit after it, is made up for", arguments: scenarios)
    func everyStep(_ scenario: Scenario) async throws {
        try await TestPlane.with(isUnderSystemd: true) { test in
            try test.install(release: "2.0")
            let saga = try #require(test.plane.sagas.first { $0.kind == scenario.kind })
            let bystander = try TestPlane.slug()
            try await test.provision(bystander)
            var matrix = MatrixRun(test: test, scenario: scenario, bystander: bystander)
            let effects = try await matrix.undisturbed(saga)
            var disturbances = Disturbance.withMishaps(saga)
            if Disturbance.isThorough { disturbances += Disturbance.thorough(saga, effects: effects) }
            for disturbance in disturbances { try await matrix.run(disturbance) }
            #expect(disturbances.count >= saga.steps.count)
            print("matrix over systemd: \(scenario.kind): \(disturbances.count) cases")
        }
    }

    @Test("a systemd that is lost and reads its files anew is worked with", arguments: scenarios)
    func restless(_ scenario: Scenario) async throws {
        try await TestPlane.with(isUnderSystemd: true) { test in
            let settings = SagaExecutor.Settings()
            var foundations = test.foundations
            (foundations.saga.perform, foundations.saga.undo) = (settings.perform, settings.undo)
            var patient = TestPlane(
                foundations: foundations, plane: ControlPlane(foundations), clock: test.clock,
                supervisor: test.supervisor)
            patient.units = test.units
            try patient.install(release: "2.0")
            let calm = try await patient.brand(for: scenario)
            let stormy = try await patient.brand(for: scenario)
            #expect(try await patient.settle(patient.begin(scenario.request, calm)).state == .done)
            let bus = try #require(test.units).bus
            let storm = Task {
                var losses = 0
                // A step has six attempts, which outlast this.
                while !Task.isCancelled, losses < 5 {
                    try? await bus.reload()
                    await bus.drop()
                    losses += 1
                    // Long enough for a job to be queued, too short for most to be heard of.
                    try? await Task.sleep(for: .milliseconds(150))
                }
                return losses
            }
            let operation = try await patient.settle(patient.begin(scenario.request, stormy))
            storm.cancel()
            let losses = await storm.value
            #expect(losses > 0)
            #expect(operation.state == .done, "\(scenario.kind): \(operation.error ?? "")")
            let difference = try await patient.inventory(of: [stormy]).difference(
                from: patient.inventory(of: [calm]))
            #expect(difference == [], "\(scenario.kind): not as a calm one leaves it")
            print("restless systemd: \(scenario.kind): \(losses) losses")
        }
    }
}

extension Disturbance {
    /// A death after each step, with a mishap: of the mishaps another one each time, in `--soak` all of them
    /// at each step, also before it.
    static func withMishaps(_ saga: Saga) -> [Disturbance] {
        let mishaps = UnitMishap.allCases
        guard isThorough else {
            let offset = Scenario.all.firstIndex { $0.kind == saga.kind } ?? 0
            return saga.steps.enumerated().map { index, step in
                Disturbance(
                    step: step.name, place: "afterEffect", action: .halt,
                    mishap: mishaps[(offset * 4 + index) % mishaps.count])
            }
        }
        return saga.steps.flatMap { step in
            ["beforeEffect", "afterEffect"].flatMap { place in
                mishaps.map {
                    Disturbance(step: step.name, place: place, action: .halt, mishap: $0)
                }
            }
        }
    }
}
