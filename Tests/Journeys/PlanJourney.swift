import Contract
import Foundation
import Kernel
import TestSupport
import Testing

/// What a plan allows, from the command that changes it to the event that is refused.
@Suite("A plan in force", .serialized)
struct PlanJourney {
    private func event(_ number: Int) -> String {
        #"{"eventId":"p\#(number)","type":"page_view","identifiers":{"email":"p\#(number)@b.com"}}"#
    }

    @Test("a limit that is changed holds on the running instance within a second, and its restarts are none")
    func live() async throws {
        try await Shop.with { shop in
            func send(_ number: Int) async throws -> Installation.Answer {
                try await shop.installation.run(
                    ["events", "send", "--brand", "demo"], input: event(number))
            }
            // One more than will be allowed.
            for number in [0, 1] { #expect(try await send(number).status == 0) }
            try await shop.drained()
            let before = try await shop.brand().instance
            let set = try await shop.installation.run(
                "plan", "set", "enterprise", "--limit", "eventsPerMonth=1")
            try #require(set.status == 0, "\(set.errors)")
            let start = ContinuousClock.now
            var refused = try await send(2)
            var number = 2
            while refused.status == 0 {
                number += 1
                refused = try await send(number)
            }
            print("plan: a changed limit held after \(ContinuousClock.now - start)")
            #expect(refused.errors.contains("of its 1 events per month are used"), "\(refused.errors)")
            let usage = try await shop.installation.run("brand", "usage", "demo")
            #expect(usage.output.contains("over"), "\(usage.output)")
            let reset = try await shop.installation.run("plan", "reset", "enterprise")
            #expect(reset.status == 0, "\(reset.errors)")
            while try await send(number + 1).status != 0 {}
            let after = try await shop.brand().instance
            #expect(after.pid == before.pid && after.restarts == before.restarts)
            try await shop.isAsFolded()
        }
    }

    @Test("a brand that has outgrown a plan is refused it with what is over, until that is accepted")
    func downgrade() async throws {
        try await Shop.with { shop in
            let installation = shop.installation
            for number in 0..<3 {
                let key = try await installation.run("key", "create", "demo", "--name", "key \(number)")
                #expect(key.status == 0, "\(key.errors)")
            }
            let small = try await installation.run(
                "plan", "set", "small", "--from", "free", "--limit", "apiKeys=2", "--begin", "active")
            try #require(small.status == 0, "\(small.errors)")
            let refused = try await installation.run("brand", "plan", "demo", "small")
            #expect(refused.status == 1)
            #expect(refused.errors.contains("3 apiKeys of 2"), "\(refused.errors)")
            let accepted = try await installation.run("brand", "plan", "demo", "small", "--accept-over")
            #expect(accepted.status == 0, "\(accepted.errors)")
            #expect(try await shop.brand().plan == "small")
            let more = try await installation.run("key", "create", "demo", "--name", "more")
            #expect(more.status == 1 && more.errors.contains("revoke one"), "\(more.errors)")
            let deleted = try await installation.run("plan", "delete", "small")
            #expect(deleted.status == 1 && deleted.errors.contains("brands have this plan"))
        }
    }
}
