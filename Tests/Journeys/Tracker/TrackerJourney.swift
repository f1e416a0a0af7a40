import Foundation
import Subprocess
import SystemPackage
import TestSupport
import Testing

/// `constintel-tracker.js` from the edge, in a real browser, on a shop's pages.
@Suite("The tracker in a shop", .serialized, .timeLimit(.minutes(15)))
struct TrackerJourney {
    /// Bytes of the script on the wire.
    static let mostBytes = 6000

    @Test("the script is small on the wire, and asked for again it is not sent again")
    func size() async throws {
        try await Shop.with { shop in
            func get(_ headers: [(String, String)]) async throws -> Reply {
                try await shop.installation.http("GET", "/b/demo/constintel-tracker.js", headers: headers)
            }
            let whole = try await get([])
            let packed = try await get([("Accept-Encoding", "gzip")])
            print("tracker: \(whole.body.count) bytes, \(packed.body.count) on the wire")
            #expect(packed.status == 200 && packed.text.lowercased().contains("content-encoding: gzip"))
            #expect(packed.body.count < Self.mostBytes && whole.body.count > packed.body.count)
            let tag = try #require(packed.text.firstMatch(of: /(?i)etag: (\S+)/)).1
            let again = try await get([("Accept-Encoding", "gzip"), ("If-None-Match", String(tag))])
            #expect(again.status == 304 && again.body.isEmpty, "\(tag): \(again.text)")
        }
    }

    @Test(
        "what arrives is what visitors have done, each once, and nothing before they agree",
        .enabled(
            if: isThere,
            "Chromium or playwright is not there: infra/test.sh fetches them from Debian and PyPI"))
    func visitors() async throws {
        try await Shop.with { shop in
            let visits = try await visit(shop.installation)
            print(visits.text)
            #expect(visits.areWell, "\(visits.text)")
            try await shop.drained()
            try await shop.isAsFolded()
        }
    }

    /// Whether a browser and what drives it are installed.
    private static var isThere: Bool {
        let python = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_PYTHON"] ?? ""
        return ["\(python)/playwright", "/usr/bin/chromium"].allSatisfy(FileManager.default.fileExists)
    }

    /// Runs `run.py`, and gives what it has said.
    private func visit(_ installation: Installation) async throws -> (areWell: Bool, text: String) {
        let environment = ProcessInfo.processInfo.environment
        let checkout = environment["CONSTINTEL_TEST_CHECKOUT"] ?? ""
        let binaries = environment["CONSTINTEL_TEST_BINARIES"] ?? ""
        let path = "\(installation.directory)/journeys.log"
        let log = try FileDescriptor.open(
            path, .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
        let result = try await Subprocess.run(
            .name("python3"),
            arguments: [
                "\(checkout)/Tests/Journeys/Tracker/run.py", "--edge", installation.edge, "--command",
                "\(binaries)/constintel",
            ],
            environment: .inherit.updating([
                "PYTHONPATH": environment["CONSTINTEL_TEST_PYTHON"], "PYTHONDONTWRITEBYTECODE": "1",
                "CONSTINTEL_HOME": installation.directory, "HOME": installation.directory,
            ]), workingDirectory: FilePath(installation.directory), input: .none,
            output: .fileDescriptor(log, closeAfterSpawningProcess: false),
            error: .fileDescriptor(log, closeAfterSpawningProcess: true))
        let text = try String(contentsOfFile: path, encoding: .utf8)
        return (result.terminationStatus.isSuccess, text)
    }
}
