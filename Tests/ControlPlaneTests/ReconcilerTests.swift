import Contract
import Kernel
import Postgres
import Testing
import TestSupport
import Workflow

@testable import ControlPlane

@Suite("The reconciler", .serialized)
struct ReconcilerTests {
    @Test("after any faults, from any state, what is comes to what is meant, and then nothing more is done")
    func converges() async throws {
        let sequences = Disturbance.isThorough ? 300 : 30
        try await Fleet.with(3) { fleet in
            var generator = SeededGenerator(seed: 5)
            var counts: [String: Int] = [:]
            for sequence in 0..<sequences {
                for _ in 0..<Int.random(in: 6...12, using: &generator) {
                    let done = try await fleet.disturb(&generator)
                    if let done { counts[done, default: 0] += 1 }
                }
                let wrong = try await fleet.settle()
                #expect(wrong == [], "sequence \(sequence)")
                if !wrong.isEmpty { break }
            }
            let kinds =
                Wish.allCases.map(\.rawValue) + Damage.allCases.map(\.rawValue)
                + Mishap.allCases.map(\.rawValue)
            print("reconciler: \(sequences) sequences: \(counts.sorted { $0.key < $1.key })")
            if Disturbance.isThorough { #expect(kinds.allSatisfy { counts[$0, default: 0] > 0 }) }
        }
    }

    @Test("brands that fail or hang do not delay the others")
    func isolates() async throws {
        let count = Disturbance.isThorough ? 200 : 40
        try await Fleet.with(count) { fleet in
            _ = try await fleet.settle()
            let (failing, hanging) = (fleet.brands[0], fleet.brands[1])
            let others = Array(fleet.brands.dropFirst(2))
            let alone = try await fleet.timeToProject(others)
            fleet.supervisor.refuse(failing.unitName)
            fleet.supervisor.hold(hanging.unitName)
            let beside = try await fleet.timeToProject(others)
            fleet.supervisor.recover()
            print(
                "reconciler: \(others.count) brands in \(alone), beside a failing and a hanging one \(beside)"
            )
            #expect(beside < alone * 4)
            #expect(try await fleet.settle() == [])
        }
    }

    @Test("as many brands that hang as there are lanes do not keep the others out")
    func givesLanes() async throws {
        try await Fleet.with(Reconciler.lanes + 2) { fleet in
            _ = try await fleet.settle()
            let others = Array(fleet.brands.suffix(2))
            for slug in fleet.brands.dropLast(2) { fleet.supervisor.hold(slug.unitName) }
            _ = try await fleet.timeToProject(others, pausingBy: HastyClock(factor: 50))
            fleet.supervisor.recover()
            fleet.test.clock.advance(by: .seconds(3600))
            #expect(try await fleet.settle() == [])
        }
    }

    @Test("a look at brands of which nothing changed costs as many statements for few as for many")
    func looksCheaply() async throws {
        var costs: [Int] = []
        for count in [2, 8] {
            try await Fleet.with(count) { fleet in
                #expect(try await fleet.settle() == [])
                costs.append(try await fleet.statementsOfUnchangedPass())
            }
        }
        print("reconciler: statements of an unchanged pass: \(costs[0]) for 2 brands, \(costs[1]) for 8")
        #expect(costs == [1, 1])
    }

    @Test("a brand that keeps failing is left alone, longer each time, until an operation has changed it")
    func quarantines() async throws {
        try await Fleet.with(2) { fleet in
            #expect(try await fleet.settle() == [])
            let (failing, other) = (fleet.brands[0], fleet.brands[1])
            try await fleet.test.supervisor.stop(failing.unitName)
            fleet.supervisor.refuse(failing.unitName)
            let store = await fleet.reconciler.store
            func pause() async throws -> Duration? {
                for _ in 0..<5 { try await fleet.reconciler.pass() }
                let seen = try #require(try await store.observation(of: failing))
                #expect(seen.error?.contains("the supervisor refuses") == true)
                return seen.quarantinedUntil.map { $0 - fleet.test.clock.now() }
            }
            let first = try #require(try await pause())
            let calls = try #require(fleet.supervisor.calls[failing.unitName])
            fleet.test.clock.advance(by: first + .seconds(1))
            let second = try #require(try await pause())
            #expect(second > first)
            #expect(fleet.supervisor.calls[failing.unitName] == calls + 1)
            #expect(try await fleet.test.view(failing).instance.quarantine?.failures == 4)
            #expect(try await fleet.differences(other) == [])
            fleet.supervisor.recover()
            try await fleet.reconciler.pass()
            #expect(try await store.observation(of: failing)?.failures == 4)
            let executor = fleet.test.plane.executor
            let operation = try await fleet.test.begin(Scenario.Call(.post, "/instance/start"), failing)
            try await fleet.test.follow(operation, by: executor)
            try await fleet.reconciler.pass()
            #expect(try await store.observation(of: failing)?.failures == 0)
        }
    }

    @Test("a paused brand is left as it is, and one under an operation too")
    func leavesAlone() async throws {
        try await Fleet.with(2) { fleet in
            #expect(try await fleet.settle() == [])
            let (paused, changed) = (fleet.brands[0], fleet.brands[1])
            let path = "/api/admin/brands/\(paused)/instance"
            _ = try await fleet.test.call(.post, "\(path)/pause", ReasonBody(reason: "looking at it"))
            _ = try await fleet.test.begin(Scenario.Call(.post, "/instance/restart"), changed)
            for slug in [paused, changed] {
                for damage in [Damage.stopUnit, .deleteUser, .deleteMarker, .garbleProjection] {
                    try await damage.apply(to: slug, of: fleet)
                }
            }
            let before = try await fleet.test.inventory(of: fleet.brands)
            fleet.restart()
            for _ in 0..<2 { try await fleet.reconciler.pass() }
            #expect(try await fleet.test.inventory(of: fleet.brands).difference(from: before) == [])
            _ = try await fleet.test.call(.post, "\(path)/unpause")
            try await fleet.reconciler.pass()
            try await fleet.awaitUnits()
            try await fleet.reconciler.pass()
            #expect(try await fleet.differences(paused) == [])
        }
    }

    @Test("who was purged is hidden from the edge, whoever has marked it; who is merely unknown is not")
    func hidesPurged() async throws {
        try await Fleet.with(2) { fleet in
            #expect(try await fleet.settle() == [])
            let (kept, gone) = (fleet.brands[0], fleet.brands[1])
            let delete = Scenario.Call(.delete, "") { _ in BrandDeletion(graceDays: 0) }
            try await fleet.test.settle(fleet.test.begin(delete, gone))
            let purge = Scenario.Call(.post, "/purge") { BrandPurge(confirm: $0.text) }
            #expect(try await fleet.test.settle(fleet.test.begin(purge, gone)).state == .done)
            let files = fleet.files
            let unknown = try TestPlane.slug()
            for slug in [gone, unknown] { try PrivateFile.write([], to: files.layout.marker(slug)) }
            try await fleet.reconciler.pass()
            #expect(Set(files.marked()) == [kept, unknown])
        }
    }
}
