import Contract
import Foundation
import Kernel
import Postgres
import Subprocess
import TestSupport
import Testing

/// A shop whose data is lost and comes back, with the real processes: from a backup with what came since, as
/// it was then, and back again.
@Suite("A shop is backed up and restored", .serialized)
struct BackupJourney {
    @Test("a restore brings back what was there and what came since, and swapping back undoes it")
    func restores() async throws {
        let workload = Workload(steps: 4, rowsPerStep: 200, eventsPerStep: 150, seed: 5)
        try await Shop.with { shop in
            for step in 0..<2 { try await workload.perform(step, in: shop) }
            let then = try await shop.tables(after: workload, steps: 2)
            try await shop.done("backup", "create", "demo")
            try await shop.done("backup", "verify", "demo")
            for step in 2..<4 { try await workload.perform(step, in: shop) }
            let now = try await shop.tables(after: workload, steps: 4)
            #expect(now != then)

            // The disk has lost rows of every kind.
            let connection = try await TenantTables.connection(to: shop.installation)
            for table in ["customer_order", "customer_profile", "identity_pair", "consent", "order_totals"] {
                try await connection.run("delete from \(identifier: table)")
            }
            await connection.close()
            #expect(try await TenantTables.read(from: shop.installation) != now)
            try await shop.done("backup", "restore", "demo", "--confirm", "demo")
            #expect(try await shop.tables(after: workload, steps: 4) == now, "with what came later")

            try await shop.done("backup", "restore", "demo", "--confirm", "demo", "--discard-later")
            try await shop.isAsFolded()
            let restored = try await TenantTables.read(from: shop.installation)
            #expect(restored.less("event_feed") == then.less("event_feed"), "as it was then")
            // Positions that readers may have seen are given to no other event.
            #expect(restored.digests["event_feed"] == now.digests["event_feed"])

            // Some of what was given up comes again, and something new; a backup of that is made.
            try await shop.send(id: "since", total: "10.00")
            try await workload.perform(2, in: shop)
            try await shop.drained()
            try await shop.done("backup", "create", "demo")
            try await shop.done("backup", "swap-back", "demo")
            try await shop.drained()
            try await shop.isAsFolded()
            #expect(try await shop.stats().events == workload.rows + 1, "all, and each once")
            // That backup lacks events of lower positions than it has given: they are brought over, too.
            try await shop.done("backup", "restore", "demo", "--confirm", "demo")
            try await shop.drained()
            try await shop.isAsFolded()
            #expect(try await shop.stats().events == workload.rows + 1, "none lost")
            let check = try await shop.installation.run("check")
            #expect(check.status == 0, "\(check.output)")
        }
    }

    @Test("a backup that is made while events come in has each of them whole, and those that were answered")
    func whileSending() async throws {
        let workload = Workload(steps: 6, rowsPerStep: 300, eventsPerStep: 100, seed: 6)
        try await Shop.with { shop in
            try await workload.perform(0, in: shop)
            async let rest: Void = {
                for step in 1..<workload.steps { try await workload.perform(step, in: shop) }
            }()
            for _ in 0..<3 { try await shop.done("backup", "create", "demo") }
            let before = try await shop.stats().events
            try await shop.done("backup", "create", "demo")
            try await rest
            let expected = try await shop.tables(after: workload, steps: workload.steps)
            // As of the last backup: all that was stored when it began, none twice, and it folds to itself.
            try await shop.done("backup", "verify", "demo")
            try await shop.done("backup", "restore", "demo", "--confirm", "demo", "--discard-later")
            try await shop.drained()
            try await shop.isAsFolded()
            #expect(try await shop.stats().events >= before)
            // And sending it all again makes it whole: the keys of what is there are there.
            for step in 0..<workload.steps { try await workload.perform(step, in: shop) }
            #expect(
                try await shop.tables(after: workload, steps: workload.steps).less("event_feed")
                    == expected.less("event_feed"))
        }
    }

    @Test("a clone has what the other had, and neither its keys nor anything to do with it")
    func clone() async throws {
        let workload = Workload(steps: 2, rowsPerStep: 200, eventsPerStep: 100, seed: 9)
        try await Shop.with { shop in
            let key = try await shop.key()
            try await workload.perform(0, in: shop)
            let then = try await shop.tables(after: workload, steps: 1)
            let refused = try await shop.installation.run("backup", "clone", "demo", "copy")
            #expect(refused.status == 1 && refused.errors.contains("the brand has no backup yet"))
            try await shop.done("backup", "create", "demo")
            try await workload.perform(1, in: shop)
            let now = try await shop.tables(after: workload, steps: 2)
            try await shop.done("backup", "clone", "demo", "copy", "--name", "A copy")
            #expect(try await TenantTables.read(from: shop.installation, schema: "brand_copy") == then)
            let keys = try await shop.done("key", "list", "copy", "--output", "json").output
            #expect(!keys.contains("publicId"), "\(keys)")
            #expect(try await shop.isAnswered(with: key))
            #expect(try await shop.tables(after: workload, steps: 2) == now)

            // It lives: what it takes is its own, and it goes without a trace of the other.
            let event =
                #"{"eventId":"c","type":"purchase","identifiers":{"email":"c@example.com"},"#
                + #""properties":{"orderId":"c","total":"1.00"}}"#
            let sent = try await shop.installation.run(["events", "send", "--brand", "copy"], input: event)
            #expect(sent.status == 0, "\(sent.errors)")
            let again = try await shop.installation.run("backup", "clone", "demo", "copy")
            #expect(again.status == 1 && again.errors.contains("a brand has the slug 'copy' already"))
            try await shop.done("backup", "create", "copy")
            try await shop.done("backup", "verify", "copy")
            try await shop.done("brand", "delete", "copy", "--yes")
            try await shop.done("brand", "purge", "copy", "--confirm", "copy")
            #expect(try await shop.tables(after: workload, steps: 2) == now)
        }
    }

    @Test("a brand comes back by restic, tar and psql alone, as the runbook says")
    func byHand() async throws {
        let workload = Workload(steps: 1, rowsPerStep: 300, eventsPerStep: 100, seed: 7)
        try await Shop.with { shop in
            try await workload.perform(0, in: shop)
            let expected = try await shop.tables(after: workload, steps: 1)
            try await shop.done("backup", "create", "demo")
            let directory = shop.installation.directory
            try FileManager.default.createDirectory(
                atPath: "\(directory)/hand", withIntermediateDirectories: false)
            let answer = try await Runbook("backup-format").run(with: [
                "BACKUPS": "\(directory)/backups", "PASSWORD": "\(directory)/secrets/backup.password",
                "BRAND": "demo", "WORK": "\(directory)/hand", "SCHEMA": "by_hand",
                "PGHOST": "\(directory)/run", "PGUSER": "constintel", "PGDATABASE": "constintel_brands",
                "PGPASSWORD": try String(
                    contentsOfFile: "\(directory)/secrets/postgres-password", encoding: .utf8),
            ])
            #expect(answer.status == 0, "\(answer.errors)")
            #expect(answer.output.hasSuffix("|t\n"), "\(answer.output)")
            let found = try await TenantTables.read(from: shop.installation, schema: "by_hand")
            #expect(found == expected)
        }
    }

    @Test("a lost machine comes back on another with its repositories, their password and the passphrase")
    func machineLost() async throws {
        let workload = Workload(steps: 1, rowsPerStep: 300, eventsPerStep: 100, seed: 8)
        try await Shop.with { lost in
            let key = try await lost.key()
            try await workload.perform(0, in: lost)
            let expected = try await lost.tables(after: workload, steps: 1)
            let made = try await lost.done("platform", "rotate-recovery-passphrase", "--output", "json")
            let passphrase = try JSONDecoder().decode(
                RecoveryPassphraseView.self, from: Data(made.output.utf8)
            ).passphrase
            try await lost.done("brand", "create", "empty")
            for brand in ["demo", "empty"] { try await lost.done("backup", "create", brand) }
            try await lost.done("platform", "backup")
            await lost.installation.killEverything()

            let directory = lost.installation.directory
            let (backups, password) = ("\(directory)/backups", "\(directory)/secrets/backup.password")
            let new = Shop(
                installation: try Installation(environment: [
                    "CONSTINTEL_BACKUPS": backups, "CONSTINTEL_BACKUPS_PASSWORD_FILE": password,
                ]))
            do {
                let variables = new.installation.variables.merging([
                    "BACKUPS": backups, "PASSWORD": password, "STATE": new.installation.directory,
                ]) { $1 }
                let page = try Runbook("machine-lost")
                let wrong = try await page.run(0..<1, with: variables, input: "not it\n")
                #expect(wrong.status != 0 && wrong.errors.contains("this passphrase does not open"))
                let key1 = try await page.run(0..<1, with: variables, input: passphrase + "\n")
                #expect(key1.status == 0, "\(key1.errors)")
                try await new.installation.start()
                let rest = try await page.run(1..<3, with: variables)
                #expect(rest.status == 0, "\(rest.output)\(rest.errors)\n\(new.installation.logTail)")
                await new.installation.killDaemon()
                try await new.installation.start()
                #expect(try await new.tables(after: workload, steps: 1) == expected)
                #expect(try await new.isAnswered(with: key))
                let again = try await new.installation.run("platform", "recover")
                #expect(again.status == 1 && again.errors.contains("this installation has brands"))
            } catch {
                await new.installation.remove()
                throw error
            }
            await new.installation.remove()
        }
    }
}

extension TenantTables {
    /// All but one table.
    func less(_ table: String) -> [String: String] { digests.filter { $0.key != table } }
}

extension Shop {
    /// Runs a command, which must succeed.
    @discardableResult
    func done(_ arguments: String...) async throws -> Installation.Answer {
        let answer = try await installation.run(arguments, input: "")
        guard answer.status == 0 else {
            throw Failure("\(arguments): \(answer.output)\(answer.errors)\n\(installation.logTail)")
        }
        return answer
    }

    /// Whether the edge answers a request with this key of the brand.
    func isAnswered(with key: String) async throws -> Bool {
        let answer = try await Subprocess.run(
            .name("curl"),
            arguments: [
                "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Authorization: Bearer \(key)",
                "http://\(installation.edge)/api/monitoring/stats",
            ], input: .none, output: .string(limit: 100), error: .discarded)
        return answer.standardOutput == "200"
    }

    /// Sends one purchase.
    func send(id: String, total: String) async throws {
        let event =
            #"{"eventId":"\#(id)","type":"purchase","identifiers":{"email":"\#(id)@example.com"},"#
            + #""properties":{"orderId":"\#(id)","total":"\#(total)"}}"#
        let answer = try await installation.run(["events", "send", "--brand", "demo"], input: event)
        guard answer.status == 0 else { throw Failure("\(answer.errors)") }
        try await drained()
    }
}
