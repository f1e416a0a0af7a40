import Contract
import Foundation
import Glibc
import Kernel
import Supervision

/// Re-folds a brand's schema by a process of the data plane that does nothing else.
struct Refolder: Sendable {
    let instances: Instances

    /// What differs in the schema from what its events and decisions say, or what was put right.
    ///
    /// - Parameter generation: what the schema's writer lease has.
    func refold(
        _ schema: String, of instance: Instance, applied: Bool, generation: Int64
    ) async throws -> RefoldReport {
        let doing = "re-fold what was restored"
        let (files, slug) = (instances.files, instance.slug)
        try files.write(instance)
        var command = Command(
            executable: instances.releases.executable(instance.release),
            arguments: [
                "--configuration", files.configurationPath(slug), "--refold", applied ? "apply" : "plan",
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
}
