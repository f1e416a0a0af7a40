import Foundation
import Subprocess
import SystemPackage

/// A page of `runbooks/`, whose fenced blocks of shell are run as they stand.
public struct Runbook: Sendable {
    private let blocks: [String]

    /// - Parameters:
    ///   - name: without its ending.
    ///   - filled: what stands in the place of what one has to fill in, such as `<id>`.
    public init(_ name: String, filling filled: [String: String] = [:]) throws {
        let checkout = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_CHECKOUT"] ?? "."
        var text = try String(contentsOfFile: "\(checkout)/runbooks/\(name).md", encoding: .utf8)
        for (placeholder, value) in filled.sorted(by: { $0.key < $1.key }) {
            text = text.replacing(placeholder, with: value)
        }
        var blocks: [String] = []
        var lines: [Substring]?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line == "```sh" {
                lines = []
            } else if line == "```", let block = lines {
                blocks.append(block.joined(separator: "\n"))
                lines = nil
            } else {
                lines?.append(line)
            }
        }
        self.blocks = blocks
    }

    /// Runs blocks in order in one shell, which ends at the first command that fails.
    ///
    /// - Parameters:
    ///   - chosen: which of them, all when nil.
    ///   - variables: what the page says that one has to fill in.
    ///   - directory: where files are that the page names.
    ///   - input: what is typed meanwhile.
    public func run(
        _ chosen: Range<Int>? = nil, with variables: [String: String], in directory: String? = nil,
        input: String = ""
    ) async throws -> Installation.Answer {
        let blocks = blocks[chosen ?? blocks.indices]
        let script = (["set -euxo pipefail"] + blocks).joined(separator: "\n")
        let all = variables.map { (Environment.Key(stringLiteral: $0.key), $0.value as String?) }
        let ended = try await Subprocess.run(
            .name("bash"), arguments: ["-c", script],
            environment: .inherit.updating(Dictionary(uniqueKeysWithValues: all)),
            workingDirectory: directory.map { FilePath($0) }, input: .string(input),
            output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
        var status: Int32 = -1
        if case .exited(let code) = ended.terminationStatus { status = code }
        return Installation.Answer(
            status: status, output: ended.standardOutput, errors: ended.standardError)
    }
}
