import Contract
import Foundation
import Kernel
import Subprocess
import TestSupport
import Testing

/// Pages of `runbooks/` followed to the letter in an installation of their own, so that what they tell to
/// type goes on working. What they have for a stuck operation is tried with one that is done.
@Suite("Runbooks are followed", .serialized)
struct RunbookJourney {
    /// The pages with fenced blocks, in an order in which each finds what it is about; those that other tests
    /// follow are not among them.
    private static let pages = [
        "imports", "rates", "refold", "plans", "dead-letters", "jobs", "backups", "backup-missing",
        "backup-verify-failed", "backup-stuck", "restore", "restore-stuck", "check", "key-rotation",
        "leaked-key", "tracker", "instance-upgrade", "instance-stuck", "brand-change-stuck",
        "provision-stuck", "brand-delete-stuck", "brand-purge-stuck", "brand-lifecycle",
    ]
    private static let followedElsewhere = ["backup-format", "machine-lost"]

    @Test("what the pages tell to type is typed, and works")
    func followed() async throws {
        try await Shop.with { shop in
            let desk = try Desk(shop)
            try await desk.prepare()
            for page in RunbookJourney.pages {
                let answer = try await desk.follow(page)
                #expect(answer.status == 0, "\(page): \(answer.output)\(answer.errors.suffix(2000))")
            }
            // The last page has purged the brand.
            let gone = try await shop.installation.run("brand", "show", "acme")
            #expect(gone.status == 1 && gone.errors.contains("there is no brand"))
        }
    }

    @Test("no page with commands to be run is left out")
    func complete() throws {
        let checkout = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_CHECKOUT"] ?? "."
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(checkout)/runbooks")
        let fenced = try names.filter { name in
            try String(contentsOfFile: "\(checkout)/runbooks/\(name)", encoding: .utf8).contains("```sh\n")
        }
        #expect(
            Set(fenced.map { $0.replacing(".md", with: "") })
                == Set(RunbookJourney.pages + RunbookJourney.followedElsewhere))
    }
}

/// Somebody with a shell on the machine, and the files that the pages name.
private struct Desk {
    let shop: Shop
    let files: String

    init(_ shop: Shop) throws {
        self.shop = shop
        files = "\(shop.installation.directory)/desk"
        try FileManager.default.createDirectory(atPath: files, withIntermediateDirectories: false)
    }

    /// Orders, some of them in euros of which there is no rate; a letter that is dead; an operation.
    func prepare() async throws {
        // On a plan with a trial.
        try await shop.done("brand", "create", "acme", "--brand-plan", "free")
        let columns = "orderId,email,date,total,currency\n"
        let orders = (0..<50).map {
            "o\($0),c\($0 % 9)@example.com,2026-01-30,\($0).50,\($0 % 5 == 0 ? "EUR" : "USD")\n"
        }
        try write(columns + orders.joined() + "o50,nobody,2026-01-30,much,USD\n", to: "orders.csv")
        try write("currency,day,rate\nEUR,2026-01-29,1.0830\n", to: "ecb.csv")
        let imported = try await shop.installation.run(
            "events", "import", "\(files)/orders.csv", "--brand", "acme", "--map", "orderId=orderId", "--map",
            "email=email", "--map", "occurredAt=date", "--map", "total=total", "--map", "currency=currency")
        #expect(imported.status == 3, "\(imported.output)\(imported.errors)")
        for name in ["finding.json", "mail.txt"] {
            try write("{\"token\": \"\(try await key())\"}\n", to: name)
        }
        try FileManager.default.copyItem(
            atPath: "\(shop.installation.binaries)/constintel-instance",
            toPath: "\(files)/constintel-instance")
        try await shop.done("backup", "create", "acme")
        try await addDeadLetter()
    }

    func follow(_ page: String) async throws -> Installation.Answer {
        try await Runbook(page, filling: placeholders(of: page))
            .run(with: variables(), in: files)
    }

    /// With the way into PostgreSQL, which is the shell's of whoever looks after it.
    private func variables() throws -> [String: String] {
        let directory = shop.installation.directory
        let password = try String(contentsOfFile: "\(directory)/secrets/postgres-password", encoding: .utf8)
        return shop.installation.variables.merging([
            "PGHOST": "\(directory)/run", "PGUSER": "constintel", "PGPASSWORD": password,
        ]) { $1 }
    }

    private func placeholders(of page: String) async throws -> [String: String] {
        var filled = [
            "<slug>": "acme", "<state>": shop.installation.directory,
            "<base>": "\(shop.installation.directory)/backups",
            "<file>": "\(shop.installation.directory)/secrets/backup.password",
        ]
        switch page {
        case "imports":
            filled[" ID "] = " \(try await first("work", "list", "--brand", "acme")) "
        case "dead-letters":
            filled["1767225600000-0"] = try await first("dead-letters", "list", "--brand", "acme")
        case "restore":
            filled["<id>"] = try await first("backup", "list", "acme")
        case "leaked-key":
            _ = try await key()
            let keys = try await list("key", "list", "acme").compactMap { $0["publicId"] as? String }
            let leaked = try ["finding.json", "mail.txt"].map {
                try String(contentsOfFile: "\(files)/\($0)", encoding: .utf8)
            }
            filled["<public-id>"] = keys.first { id in !leaked.contains { $0.contains(id) } }
        default:
            filled["<id>"] = try await first("operation", "list")
        }
        return filled
    }

    private func key() async throws -> String {
        let made = try await shop.done("key", "create", "acme", "--name", "client", "--output", "json")
        return try JSONDecoder().decode(KeyCreated.self, from: Data(made.output.utf8)).key
    }

    /// The id of the first that a list has.
    private func first(_ arguments: String...) async throws -> String {
        try #require(try await list(arguments).first?["id"] as? String, "\(arguments)")
    }

    private func list(_ arguments: String...) async throws -> [[String: Any]] { try await list(arguments) }

    private func list(_ arguments: [String]) async throws -> [[String: Any]] {
        let answer = try await shop.installation.run(arguments + ["--output", "json"])
        let page = try JSONSerialization.jsonObject(with: Data(answer.output.utf8)) as? [String: Any]
        return try #require(page?["items"] as? [[String: Any]], "\(arguments): \(answer.errors)")
    }

    /// Puts an entry into the stream that nobody can read.
    private func addDeadLetter() async throws {
        let directory = shop.installation.directory
        let password = try String(contentsOfFile: "\(directory)/secrets/redis-password", encoding: .utf8)
        _ = try await Subprocess.run(
            .name("redis-cli"),
            arguments: [
                "-s", "\(directory)/run/redis.sock", "--no-auth-warning", "--user", "constintel", "-a",
                password, "XADD",
                "ci:{acme}:events", "*", "nonsense", "1",
            ], input: .none, output: .discarded, error: .discarded)
        for _ in 0..<300 {
            let list = try await shop.installation.run(
                "dead-letters", "list", "--brand", "acme", "--output", "json")
            if list.output.contains("\"id\"") { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw Failure("no letter is dead\n\(shop.installation.logTail)")
    }

    private func write(_ text: String, to name: String) throws {
        try text.write(toFile: "\(files)/\(name)", atomically: true, encoding: .utf8)
    }
}
