import Contract
import Foundation
import Kernel
import Subprocess
import TestSupport
import Testing

/// Large files through the edge, with connections and processes that break.
@Suite("Large files", .serialized, .timeLimit(.minutes(5)))
struct UploadJourney {
    private static let rows = 3000

    /// A file of nine megabytes, and what its orders come to.
    private static func file(in directory: String) throws -> (path: String, revenue: String) {
        let note = String(repeating: "long ", count: 600)
        var (text, cents) = ("mail;value;note\n", 0)
        for row in 1...rows {
            cents += row
            text += "u\(row)@b.c;\(Money(tenThousandths: Int64(row) * 100));\(note)\n"
        }
        let path = "\(directory)/orders.csv"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return (path, Money(tenThousandths: Int64(cents) * 100).description)
    }

    @Test("the command sends it in pieces, goes on when the instance dies, and nothing is lost or twice")
    func command() async throws {
        try await Shop.with { shop in
            let (path, revenue) = try Self.file(in: shop.installation.directory)
            let arguments = [
                "events", "import", path, "--brand", "demo", "--map", "email=mail", "--map", "total=value",
            ]
            async let sent = shop.installation.run(arguments)
            try await Task.sleep(for: .milliseconds(300))
            _ = try await shop.kill("constintel-instance")
            // Where the answer was lost on its way the command says to give it again, and that is safe.
            var answer = try await sent
            let deadline = ContinuousClock.now + .seconds(60)
            while answer.status == 2, ContinuousClock.now < deadline {
                answer = try await shop.installation.run(arguments)
            }
            #expect(answer.status == 0, "\(answer.errors)\n\(shop.installation.logTail)")
            let again = try await shop.installation.run(arguments)
            #expect(again.status == 0 && again.output.contains(" 0 accepted"), "\(again)")
            try await shop.drained()
            let stats = try await shop.stats()
            #expect(stats.orders == Int64(Self.rows) && stats.revenue == revenue)
            try await shop.isAsFolded()
        }
    }

    @Test(
        "a client of the tus protocol goes on where it was, and what it sent is imported",
        .enabled(if: TusClient.isThere, "tuspy is not there: infra/test.sh fetches it from PyPI"))
    func tus() async throws {
        try await Shop.with { shop in
            let (path, revenue) = try Self.file(in: shop.installation.directory)
            let key = try await shop.key()
            let client = TusClient(endpoint: "http://\(shop.installation.edge)/b/demo/api/uploads", key: key)
            let url = try await client.send(path, stopAt: 3_000_000)
            _ = try await shop.kill("all")
            #expect(try await client.send(path, url: url) == url)
            let id = url.split(separator: "/").last ?? ""
            let begun = try await shop.installation.http(
                "POST", "/b/demo/api/integrations/csv?upload=\(id)&map=email:mail&map=total:value",
                headers: [("Authorization", "Bearer \(key)")])
            #expect(begun.status == 202, "\(begun.text)")
            let operation = try JSONDecoder().decode(OperationView.self, from: begun.body)
            let ended = try await shop.installation.run(
                "work", "show", "\(operation.id)", "--brand", "demo", "--follow")
            #expect(ended.status == 0, "\(ended.errors)")
            let stats = try await shop.stats()
            #expect(stats.orders == Int64(Self.rows) && stats.revenue == revenue)
        }
    }
}

/// tuspy, in a process of its own.
private struct TusClient {
    static var isThere: Bool {
        guard let directory else { return false }
        return FileManager.default.fileExists(atPath: "\(directory)/tusclient")
    }

    private static var directory: String? { ProcessInfo.processInfo.environment["CONSTINTEL_TEST_SDKS"] }

    let endpoint: String
    let key: String

    /// Sends a file up to a place, or to its end; gives the upload's address.
    func send(_ path: String, stopAt: Int = 0, url: String = "") async throws -> String {
        let checkout = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_CHECKOUT"] ?? ""
        let result = try await Subprocess.run(
            .name("python3"),
            arguments: [
                "\(checkout)/Tests/Journeys/Uploads/send.py", endpoint, key, path, String(stopAt), url,
            ],
            environment: .inherit.updating([
                "PYTHONPATH": TusClient.directory ?? "", "PYTHONDONTWRITEBYTECODE": "1",
            ]), output: .string(limit: 1 << 16), error: .string(limit: 1 << 16))
        guard result.terminationStatus.isSuccess else {
            throw Failure("tuspy has failed: \(result.standardError.suffix(2000))")
        }
        return result.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
