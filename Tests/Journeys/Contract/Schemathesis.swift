import Foundation
import Subprocess
import SystemPackage
import TestSupport

/// schemathesis, which makes requests of a document's schemas, good and bad ones and chains of them, and
/// compares the answers with what the document says.
struct Schemathesis: Sendable {
    /// What came of a run.
    struct Report: Sendable {
        let isClean: Bool
        /// How many requests were made, in its own words.
        let cases: String
        /// What it has found.
        let findings: String
    }

    /// What every answer is held to.
    private static let checks = [
        "not_a_server_error", "status_code_conformance", "content_type_conformance",
        "response_headers_conformance", "response_schema_conformance", "unsupported_method", "ignored_auth",
    ]

    /// Whether `infra/test.sh` could fetch it.
    static var isThere: Bool {
        guard let python = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_PYTHON"] else { return false }
        return FileManager.default.fileExists(atPath: "\(python)/schemathesis")
    }

    /// `DataPlane` or `ControlPlane`.
    let room: String
    let url: String
    /// Operations that are tried elsewhere.
    let without: [String]

    /// Tries the document for so many seconds with these headers.
    func run(seconds: Int, headers: [(String, String)], in directory: String) async throws -> Report {
        let environment = ProcessInfo.processInfo.environment
        let python = environment["CONSTINTEL_TEST_PYTHON"] ?? ""
        let checkout = environment["CONSTINTEL_TEST_CHECKOUT"] ?? ""
        let seed = Int.random(in: 1..<1_000_000)
        var arguments = [
            "-m", "schemathesis.cli", "run", "\(checkout)/Sources/\(room)/openapi.yaml", "--url", url,
            "--max-time", "\(seconds)", "--checks", Schemathesis.checks.joined(separator: ","), "--seed",
            "\(seed)", "--continue-on-failure", "--request-timeout", "20", "--workers", "2", "--no-color",
            "--warnings", "off",
        ]
        for operation in without { arguments += ["--exclude-operation-id", operation] }
        for (name, value) in headers { arguments += ["--header", "\(name):\(value)"] }
        // Read at the end, since it says much.
        let path = "\(directory)/schemathesis-\(UUID().uuidString).log"
        let log = try FileDescriptor.open(
            path, .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
        let result = try await Subprocess.run(
            .name("python3"), arguments: Arguments(arguments),
            environment: .inherit.updating([
                "PYTHONPATH": "\(python):\(checkout)/Tests/Journeys/Contract",
                "SCHEMATHESIS_HOOKS": "hooks", "PYTHONDONTWRITEBYTECODE": "1",
            ]), workingDirectory: FilePath(directory), input: .none,
            output: .fileDescriptor(log, closeAfterSpawningProcess: false),
            error: .fileDescriptor(log, closeAfterSpawningProcess: true))
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let cases = text.split(separator: "\n").first { $0.contains(" generated") }
        let found = text.range(of: "= ERRORS =") ?? text.range(of: "= FAILURES =")
        return Report(
            isClean: result.terminationStatus.isSuccess,
            cases: cases.map { $0.trimmingCharacters(in: .whitespaces) } ?? "no cases",
            findings: found.map { String(text[$0.lowerBound...].prefix(6000)) } ?? String(text.suffix(2000)))
    }
}
