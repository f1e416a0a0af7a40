import Contract
import Foundation
import HTTPTypes
import Kernel
import Postgres
import Testing

@testable import ControlPlane

/// Every operation, and a real daemon that is killed at each of its steps, between the step's effect and its
/// journal entry. The steps are those that an undisturbed operation tells, so that a new one is tried by
/// existing.
@Suite("A daemon killed in mid-operation")
struct DaemonDeathTests {
    /// Kinds that have no business with the instance's process.
    private static let leaveProcess = ["brand.update", "brand.suspend", "brand.resume"]

    /// What a backup writes is a process of its own, which outlives a killed daemon; drills and restores,
    /// which take seconds each, are left to the matrix within one process.
    private static let scenarios = Scenario.all.filter { !$0.isAboutBackups || $0.kind == "brand.backup" }

    @Test("the next daemon ends what the killed one began, at whichever step", arguments: scenarios)
    func everyStep(_ scenario: Scenario) async throws {
        try await AttachedSite.with { site in
            let begin = ContinuousClock.now
            var daemon = try await site.start()
            let bystander = try TestPlane.slug()
            try await site.perform([Scenario.provision], bystander)
            let witness = site.instances(of: bystander)
            try #require(witness.count == 1)
            let (steps, done) = try await undisturbed(scenario, site, bystander)
            var cases: [(step: String, slug: Slug)] = []
            for step in steps { cases.append((step, try await site.brand(for: scenario))) }
            try await daemon.destroy()
            daemon = try await site.start(failpoints: [point(scenario, cases[0])])
            for (index, (step, slug)) in cases.enumerated() {
                let processes = site.instances(of: slug)
                let key: HTTPFields = [.init("Idempotency-Key")!: "\(slug)"]
                // Its answer may be lost with the daemon.
                _ = try? await site.send(scenario.request, slug, headers: key)
                #expect(try await daemon.ending() == .signalled(SIGKILL), "\(scenario.kind).\(step)")
                let next = cases.dropFirst(index + 1).first.map { point(scenario, $0) }
                daemon = try await site.start(failpoints: [next].compactMap(\.self))
                let operation = try await site.settle(site.begin(scenario.request, slug, headers: key))
                #expect(operation.state == .done, "\(step): \(operation.error ?? "")")
                let after = try await site.inventory(of: [slug, bystander])
                let difference = after.difference(from: done)
                #expect(difference == [], "\(scenario.kind).\(step): not as an undisturbed one leaves it")
                #expect(site.instances(of: bystander) == witness, "the other brand's process goes on")
                if Self.leaveProcess.contains(scenario.kind) {
                    #expect(site.instances(of: slug) == processes, "its process goes on, adopted")
                }
            }
            #expect(cases.count >= 3)
            let seconds = begin.duration(to: .now) / .seconds(1)
            print("killed daemons: \(scenario.kind): \(cases.count) in \(Int(seconds)) s")
        }
    }

    @Test("a daemon that is killed while it writes a backup leaves none that counts, and the next makes it")
    func halfWritten() async throws {
        try await AttachedSite.with { site in
            var daemon = try await site.start()
            let slug = try TestPlane.slug()
            try await site.perform([Scenario.provision], slug)
            try await daemon.destroy()
            daemon = try await site.start(failpoints: ["brand.backup.write.half:\(slug)=kill"])
            let key: HTTPFields = [.init("Idempotency-Key")!: "\(slug)"]
            let backUp = try #require(Scenario.all.first { $0.kind == "brand.backup" }).request
            _ = try? await site.send(backUp, slug, headers: key)
            #expect(try await daemon.ending() == .signalled(SIGKILL))
            daemon = try await site.start()
            let operation = try await site.settle(site.begin(backUp, slug, headers: key))
            #expect(operation.state == .done, "\(operation.error ?? "")")
            let list = try await site.ask(.get, "/api/admin/brands/\(slug)/backups", nil, headers: [:])
            #expect(try list.decode(Page<BackupView>.self).items.count == 1)
            _ = daemon
        }
    }

    private func point(_ scenario: Scenario, _ one: (step: String, slug: Slug)) -> String {
        "\(scenario.kind).\(one.step).afterEffect:\(one.slug)=kill"
    }

    /// The steps of an operation that nothing disturbs, and what is there after it.
    private func undisturbed(
        _ scenario: Scenario, _ site: AttachedSite, _ bystander: Slug
    ) async throws -> ([String], Inventory) {
        let slug = try await site.brand(for: scenario)
        let operation = try await site.settle(site.begin(scenario.request, slug))
        #expect(operation.state == .done, "\(operation.error ?? "")")
        let steps = try #require(operation.steps).map(\.name)
        return (steps, try await site.inventory(of: [slug, bystander]))
    }
}
