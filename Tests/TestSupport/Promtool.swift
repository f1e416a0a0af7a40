import Subprocess

/// Prometheus's own judge of a text of metrics.
public enum Promtool {
    /// What `promtool check metrics` finds wrong with `text`; empty when nothing is.
    ///
    /// Where there is no promtool it says so and finds nothing: Debian's package `prometheus` has it, and
    /// `infra/test.sh` installs it.
    public static func complaints(about text: String) async throws -> String {
        do {
            let result = try await Subprocess.run(
                .name("promtool"), arguments: ["check", "metrics"], input: .string(text),
                output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
            guard result.terminationStatus.isSuccess else {
                return "promtool: \(result.standardOutput) \(result.standardError)"
            }
            return result.standardError
        } catch let error as SubprocessError where error.code == .executableNotFound {
            print("metrics: not checked by promtool, which is not installed (Debian's package prometheus)")
            return ""
        }
    }
}
