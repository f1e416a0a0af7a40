import Contract
import Foundation
import Glibc
import Kernel
import Supervision

/// Re-folds a brand's schema by a process of the data plane that does nothing else.
///
/// The process has its configuration in a directory of its own: what becomes of the brand meanwhile (it may
/// be deleted while a drill goes on) is not touched, and nobody takes it for a brand that is there.
struct Refolder: Sendable {
    let instances: Instances

    /// What differs in the schema from what its events and decisions say, or what was put right.
    ///
    /// - Parameter generation: what the schema's writer lease has.
    func refold(
        _ schema: String, of instance: Instance, applied: Bool, generation: Int64
    ) async throws -> RefoldReport {
        let doing = "re-fold what was restored"
        let files = instances.files
        defer { try? forget(schema) }
        let configuration = try files.writeConfiguration(instance, to: files.layout.refold(schema))
        var command = Command(
            executable: instances.releases.executable(instance.release),
            arguments: [
                "--configuration", configuration, "--refold", applied ? "apply" : "plan",
                "--schema", schema, "--generation", "\(generation)",
            ], logFile: "\(files.layout.logs)/refold.log")
        for name in ["TZDIR", "LD_LIBRARY_PATH"] {
            if let value = getenv(name) { command.environment[name] = String(cString: value) }
        }
        let output = try await command.output(doing: doing)
        let lines = output.split(separator: "\n").reversed()
        guard
            let report = lines.lazy.compactMap({
                try? JSONDecoder().decode(RefoldReport.self, from: Data($0.utf8))
            }).first
        else { throw Fault(.unavailable, doing: doing, "it told of no result") }
        return report
    }

    /// Removes what a process that was to re-fold the schema was started with, where a daemon that died has
    /// left it.
    func forget(_ schema: String) throws(Fault) {
        try PrivateFile.remove(instances.files.layout.refold(schema))
    }
}
