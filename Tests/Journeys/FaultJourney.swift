import Contract
import Foundation
import Kernel
import TestSupport
import Testing

/// An order history is imported while processes are killed: the totals must be exact to the cent.
@Suite("Killed while importing", .serialized)
struct FaultJourney {
    @Test("the instance dies ten times and more between COMMIT and XDEL, and the totals are exact")
    func betweenCommitAndRemoval() async throws {
        let history = OrderHistory(rows: 24_000, seed: 1)
        try await Shop.with(environment: ["CONSTINTEL_FAILPOINT": "events.write.afterCommit.demo=kill@3"]) {
            shop in
            let answer = try await shop.importHistory(history)
            #expect(answer.status == 0, "\(answer.errors)")
            let restarts = try await shop.brand().instance.restarts
            #expect(restarts >= 10, "the instance died \(restarts) times")
            print("killed between COMMIT and XDEL: \(restarts) times in one import of \(history.orders) rows")
            try await shop.expectTotals(of: history)
        }
    }

    @Test("Redis, PostgreSQL, the instance and all of them at once are killed, and the totals are exact")
    func anywhere() async throws {
        let history = OrderHistory(rows: 20_000, seed: 2)
        var random = SplitMix64(state: 42)
        try await Shop.with { shop in
            async let answer = shop.importHistory(history)
            var kills: [String: Int] = [:]
            for victim in [
                "redis-server", "constintel-instance", "postgres -D", "everything", "redis-server",
            ] {
                try await Task.sleep(for: .milliseconds(500 + Int(random.next() % 1500)))
                if victim == "everything" {
                    await shop.installation.killEverything()
                    try await shop.installation.start()
                    kills[victim, default: 0] += 1
                } else {
                    kills[victim, default: 0] += await shop.installation.killProcesses(matching: victim)
                }
            }
            print("killed while importing: \(kills)")
            _ = try await answer
            try await shop.expectTotals(of: history)
        }
    }
}
