import Contract
import Foundation
import Kernel
import TestSupport
import Testing

/// The proof of durability: a day's work with processes killed all along leaves every table as an undisturbed
/// run leaves it. A soak (`infra/test.sh --soak`) does the same for longer.
@Suite("Killed at work", .serialized)
struct FaultJourney {
    private static let isSoak = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_SOAK"] != nil

    @Test(
        "thirty kills, ten of them between COMMIT and XDEL, leave every table as if nothing had happened"
    )
    func kills() async throws {
        let workload =
            FaultJourney.isSoak
            ? Workload(steps: 100, rowsPerStep: 9800, eventsPerStep: 200, stepsPerFile: 4, seed: 11)
            : Workload(steps: 20, rowsPerStep: 500, eventsPerStep: 100, seed: 11)
        let expected = try await undisturbed(workload)
        let (betweenCommitAndRemoval, first) = try await killedAfterCommits(workload)
        let (anywhere, second) = try await killedAnywhere(workload, seed: 42)
        #expect(betweenCommitAndRemoval >= 10, "killed \(betweenCommitAndRemoval) times")
        #expect(betweenCommitAndRemoval + anywhere.values.reduce(0, +) >= 30)
        #expect(first == expected)
        #expect(second == expected)
        print(
            "durability: \(betweenCommitAndRemoval) kills between COMMIT and XDEL, \(anywhere) elsewhere,",
            "over \(workload.rows) events; rows compared: \(expected.rows)")
    }

    @Test("the comparison notices a table that differs by one cell")
    func comparison() async throws {
        let workload = Workload(steps: 1, rowsPerStep: 50, eventsPerStep: 50, seed: 11)
        try await Shop.with { shop in
            try await workload.perform(0, in: shop)
            let before = try await shop.tables(after: workload, steps: 1)
            _ = try await shop.installation.run(
                ["events", "send", "--brand", "demo"],
                input: #"{"eventId":"other","type":"search","identifiers":{"email":"x@example.com"}}"#)
            try await shop.drained()
            #expect(try await TenantTables.read(from: shop.installation) != before)
        }
    }

    private func undisturbed(_ workload: Workload) async throws -> TenantTables {
        try await Shop.with { shop in
            for step in 0..<workload.steps { try await workload.perform(step, in: shop) }
            return try await shop.tables(after: workload, steps: workload.steps)
        }
    }

    /// The instance dies by itself after every third commit, before it removes what it has committed; in a
    /// soak after every sixtieth, since who dies young is started again after ever longer pauses.
    private func killedAfterCommits(_ workload: Workload) async throws -> (Int, TenantTables) {
        let commits = FaultJourney.isSoak ? 60 : 3
        let armed = ["CONSTINTEL_INSTANCE_FAILPOINT": "events.write.afterCommit.demo=kill@\(commits)"]
        return try await Shop.with(environment: armed) { shop in
            for step in 0..<workload.steps { try await workload.perform(step, in: shop) }
            let tables = try await shop.tables(after: workload, steps: workload.steps)
            return (try await shop.brand().instance.restarts, tables)
        }
    }

    /// At a random moment of each step, one process or all of them die; in a soak at three.
    private func killedAnywhere(
        _ workload: Workload, seed: UInt64
    ) async throws -> ([String: Int], TenantTables) {
        let victims = [
            "redis-server", "constintel-instance", "postgres -D", "nginx: master", "daemon", "all",
        ]
        return try await Shop.with { shop in
            var random = SplitMix64(state: seed)
            var kills: [String: Int] = [:]
            let (killsPerStep, longestPause) = FaultJourney.isSoak ? (3, 3000) : (1, 700)
            for step in 0..<workload.steps {
                async let done: Void = workload.perform(step, in: shop)
                for kill in 0..<killsPerStep {
                    try await Task.sleep(for: .milliseconds(Int(random.next() % UInt64(longestPause))))
                    let victim = victims[(step * killsPerStep + kill) % victims.count]
                    kills[victim, default: 0] += try await shop.kill(victim)
                }
                try await done
            }
            return (kills, try await shop.tables(after: workload, steps: workload.steps))
        }
    }
}
