import Foundation
import Subprocess
import TestSupport
import Testing

/// An SDK of Segment or RudderStack for Python, unchanged as PyPI has it, in a process of its own.
struct SegmentSDK: Sendable, CustomTestStringConvertible {
    /// Whether `infra/test.sh` could fetch them.
    static var areThere: Bool {
        guard let directory else { return false }
        return FileManager.default.fileExists(atPath: "\(directory)/segment")
    }

    private static var directory: String? { ProcessInfo.processInfo.environment["CONSTINTEL_TEST_SDKS"] }

    /// `segment` or `rudder`.
    let name: String
    /// What its client is made with, as JSON.
    var options = "{}"

    var testDescription: String { "\(name) \(options)" }

    /// Makes the calls, and gives what the SDK says of batches that it has given up.
    func make(_ calls: [SegmentMade], host: String, key: String) async throws -> [String] {
        let checkout = ProcessInfo.processInfo.environment["CONSTINTEL_TEST_CHECKOUT"] ?? ""
        let result = try await Subprocess.run(
            .name("python3"),
            arguments: ["\(checkout)/Tests/Journeys/Segment/send.py", name, host, key, options],
            environment: .inherit.updating([
                "PYTHONPATH": SegmentSDK.directory ?? "", "PYTHONDONTWRITEBYTECODE": "1",
            ]),
            input: .string("[\(calls.map(\.json).joined(separator: ","))]"),
            output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
        guard result.terminationStatus.isSuccess else {
            throw Failure("the SDK has failed: \(result.standardError.suffix(2000))")
        }
        return try JSONDecoder().decode([String].self, from: Data(result.standardOutput.utf8))
    }
}

/// A call that an SDK makes, and the event that is expected of it.
struct SegmentMade: Sendable {
    let id: String
    let call: String
    /// Members of a JSON object: the arguments of the SDK's function, less the id and the time.
    let arguments: String
    let timestamp: String
    let type: String
    let identifiers: [String: String]

    var json: String {
        #"{"call":"\#(call)","arguments":{\#(arguments),"message_id":"\#(id)","timestamp":"\#(timestamp)"}}"#
    }
}
