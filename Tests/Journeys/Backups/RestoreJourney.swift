import Contract
import Foundation
import Kernel
import Subprocess
import TestSupport
import Testing

/// Restores at bad moments: what comes meanwhile and what was decided meanwhile is there afterwards, once.
@Suite("A shop is restored while it lives", .serialized)
struct RestoreJourney {
    @Test("decisions that are brought back are about the same values, whatever numbers these have now")
    func decisions() async throws {
        try await Shop.with { shop in
            try await shop.send(id: "first", total: "1.00")
            try await shop.done("backup", "create", "demo")
            for id in ["y", "x"] { try await shop.send(id: id, total: "2.00") }
            try await shop.done("backup", "restore", "demo", "--confirm", "demo", "--discard-later")
            // In another order, with another before them: each value is another number than it was.
            for id in ["w", "x", "z", "y"] { try await shop.send(id: id, total: "2.00") }
            try await shop.done(
                "profiles", "merge", shop.profile("x"), shop.profile("z"), "--brand", "demo", "--reason",
                "the same")
            try await shop.done(
                "profiles", "never", shop.profile("w"), shop.profile("first"), "--brand", "demo", "--reason",
                "brothers")
            try await shop.done(
                "identifiers", "block", "email=y@example.com", "--brand", "demo", "--reason", "nobody's")

            try await shop.done("backup", "swap-back", "demo")
            try await shop.isAsFolded()
            #expect(try await shop.stats().events == 5)
            #expect(try await shop.profile("x") == shop.profile("z"))
            let history = try await shop.done("profiles", "history", shop.profile("x"), "--brand", "demo")
            #expect(history.output.contains("the same"), "\(history.output)")
            #expect(try await shop.profile("w") != shop.profile("first"))
            let flagged = try await shop.done("identifiers", "list", "--brand", "demo").output
            #expect(flagged.contains("y@example.com") && !flagged.contains("x@example.com"), "\(flagged)")
            let refused = try await shop.installation.run(
                "profiles", "merge", shop.profile("w"), shop.profile("first"), "--brand", "demo", "--reason",
                "no")
            #expect(refused.status == 1, "they were to be kept apart: \(refused.output)")
        }
    }

    @Test("a restore that is taken back after the brand has served again loses nothing of what came then")
    func takenBack() async throws {
        let workload = Workload(steps: 3, rowsPerStep: 100, eventsPerStep: 50, seed: 11)
        let armed = [
            "CONSTINTEL_FAILPOINT": "brand.restore.awaitReady.afterEffect:demo=fail,"
                + "brand.restore.keepFormer.undo.beforeEffect:demo=stop"
        ]
        try await Shop.with(environment: armed) { shop in
            let key = try await shop.key()
            try await workload.perform(0, in: shop)
            try await shop.done("backup", "create", "demo")
            try await workload.perform(1, in: shop)
            try await shop.drained()
            async let ended = shop.installation.run("backup", "restore", "demo", "--confirm", "demo")
            // What was restored serves, and is about to give way to the former state.
            try await shop.installation.whileDaemonIsFrozen {
                for number in 0..<20 { try await shop.buy("between-\(number)", with: key) }
            }
            let answer = try await ended
            #expect(answer.status == 1 && answer.errors.contains("brand.restore"), "\(answer.errors)")
            try await workload.perform(2, in: shop)
            try await shop.drained()
            #expect(try await shop.stats().events == workload.rows + 20)
            try await shop.isAsFolded()
            let again = try await shop.installation.run("backup", "swap-back", "demo")
            #expect(again.status == 1 && again.errors.contains("no former state"), "\(again.errors)")
        }
    }

    @Test("an import that is open when the brand is restored goes on, and each row counts once")
    func openImport() async throws {
        let history = OrderHistory(rows: 30_000, seed: 12)
        let armed = ["CONSTINTEL_FAILPOINT": "brand.restore.load.afterJournal:demo=stop"]
        try await Shop.with(environment: armed) { shop in
            let key = try await shop.key()
            let file = "\(shop.installation.directory)/history.txt"
            try Data(history.text.utf8).write(to: URL(fileURLWithPath: file))
            try await shop.send(id: "before", total: "1.00")
            try await shop.done("backup", "create", "demo")
            async let restored = shop.installation.run("backup", "restore", "demo", "--confirm", "demo")
            // What the restore does next is to stop the brand, which has just begun to import.
            try await shop.installation.whileDaemonIsFrozen { try await shop.upload(file, with: key) }
            let answer = try await restored
            #expect(answer.status == 0, "\(answer.errors)")
            for _ in 0..<600 {
                if try await shop.stats().events > history.orders { break }
                try await Task.sleep(for: .milliseconds(100))
            }
            try await shop.drained()
            #expect(try await shop.stats().events == history.orders + 1)
            try await shop.isAsFolded()
            let work = try await shop.done("work", "list", "--brand", "demo").output
            #expect(!work.contains("running") && !work.contains("failed"), "\(work)")
        }
    }
}

extension Shop {
    /// The id of the profile of whom `send(id:total:)` has sent a purchase of.
    fileprivate func profile(_ id: String) async throws -> String {
        let found = try await done(
            "profiles", "find", "--brand", "demo", "--identifier", "email=\(id)@example.com", "--output",
            "json")
        let page = try JSONSerialization.jsonObject(with: Data(found.output.utf8)) as? [String: Any]
        let items = page?["items"] as? [[String: Any]]
        return try #require((items?.first ?? page)?["id"] as? String, "\(found.output)")
    }

    /// Sends a file of an `OrderHistory`, whose import has begun then.
    fileprivate func upload(_ file: String, with key: String) async throws {
        let query =
            "source=history&type=purchase&delimiter=whitespace&dateFormat=yyyyMMdd&map=loyalty_id:customer_id"
            + "&map=occurredAt:date&map=quantity:number_of_cds&map=total:dollar_value"
        let answer = try await Subprocess.run(
            .name("curl"),
            arguments: [
                "-s", "-H", "Authorization: Bearer \(key)", "-H", "Content-Type: text/csv", "--data-binary",
                "@\(file)", "http://\(installation.edge)/api/integrations/csv?\(query)",
            ], input: .none, output: .string(limit: 10_000), error: .discarded)
        guard
            answer.standardOutput.contains(#""state":"pending""#)
                || answer.standardOutput.contains(#""state":"running""#)
        else { throw Failure("the import was answered \(answer.standardOutput)") }
    }

    /// Sends one purchase to the edge as a shop does, which must be taken.
    fileprivate func buy(_ id: String, with key: String) async throws {
        let event =
            #"{"eventId":"\#(id)","type":"purchase","identifiers":{"email":"\#(id)@example.com"},"#
            + #""properties":{"orderId":"\#(id)","total":"1.00"}}"#
        let answer = try await Subprocess.run(
            .name("curl"),
            arguments: [
                "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Authorization: Bearer \(key)", "-H",
                "Content-Type: application/json", "-d", event, "http://\(installation.edge)/api/events",
            ], input: .none, output: .string(limit: 100), error: .discarded)
        guard answer.standardOutput == "202" else {
            throw Failure("\(id) was answered \(answer.standardOutput)")
        }
    }
}
