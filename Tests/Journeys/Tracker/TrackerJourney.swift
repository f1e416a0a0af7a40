import AsyncHTTPClient
import Foundation
import NIOCore
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
        // The shared client unpacks what it gets.
        let client = HTTPClient(eventLoopGroupProvider: .singleton)
        do {
            try await Shop.with { try await weigh($0.installation, with: client) }
            try await client.shutdown()
        } catch {
            try await client.shutdown()
            throw error
        }
    }

    private func weigh(_ installation: Installation, with client: HTTPClient) async throws {
        func get(_ headers: [(String, String)]) async throws -> (HTTPClientResponse, bytes: Int) {
            var request = HTTPClientRequest(url: "http://\(installation.edge)/b/demo/constintel-tracker.js")
            for (name, value) in headers { request.headers.add(name: name, value: value) }
            let answer = try await client.execute(request, timeout: .seconds(30))
            return (answer, try await answer.body.collect(upTo: 1 << 20).readableBytes)
        }
        let (_, whole) = try await get([])
        let (answer, packed) = try await get([("Accept-Encoding", "gzip")])
        print("tracker: \(whole) bytes, \(packed) on the wire")
        #expect(answer.status.code == 200 && answer.headers.first(name: "Content-Encoding") == "gzip")
        #expect(packed < Self.mostBytes && whole > packed)
        let tag = try #require(answer.headers.first(name: "ETag"))
        let (again, rest) = try await get([("Accept-Encoding", "gzip"), ("If-None-Match", tag)])
        #expect(again.status.code == 304 && rest == 0, "\(tag)")
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
