import Contract
import Foundation
import Kernel

/// What a brand pays for: its limits, and what it is once provisioned. One file each in `templates/plans`.
struct Plan: Codable, Sendable, Equatable {
    /// What a brand may use; projected whole into its schema as JSON.
    struct Limits: Codable, Sendable, Equatable {
        /// Events that intake accepts in a second, on average.
        var eventsPerSecond: Int
        /// Entries accepted and not committed, beyond which intake answers 503.
        var streamEntries: Int
        /// Database connections that the instance may hold.
        var connections: Int
        /// Keys that are neither revoked nor expired.
        var apiKeys: Int
        /// How long the instance stays awake when nobody asks, where the service manager can wake it; for
        /// ever when absent.
        var idleSeconds: Int?
        /// What the instance's processes may take of the machine, where the supervisor can limit it; what is
        /// absent is not limited.
        var memoryMegabytes: Int?
        /// Hundredths of one core.
        var cpuPercent: Int?
        /// Processes and threads.
        var tasks: Int?
        /// 1 to 10,000, as `IOWeight=` of systemd.resource-control(5); 100 is everybody's.
        var ioWeight: Int?
    }

    var name: String
    /// `trial` or `active`.
    var initialStatus: BrandView.Status
    var limits: Limits

    /// Every plan in a directory of JSON files, by name.
    ///
    /// - Throws: a fault that names the file that is missing, malformed or beyond what is possible.
    static func load(from directory: String) throws(Fault) -> [Plan] {
        let doing = "read the plans in \(directory)"
        let files = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        var plans: [Plan] = []
        for file in files.sorted() where file.hasSuffix(".json") {
            do {
                let data = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(file)"))
                plans.append(try JSONDecoder().decode(Plan.self, from: data))
            } catch {
                throw Fault(.invalid, doing: doing, "\(file) is not a plan", field: file, cause: error)
            }
        }
        guard !plans.isEmpty else { throw Fault(.notFound, doing: doing, "there is no file *.json in it") }
        for plan in plans { try plan.check(doing: doing) }
        return plans
    }

    private func check(doing: String) throws(Fault) {
        guard initialStatus == .trial || initialStatus == .active else {
            throw Fault(.invalid, doing: doing, "expected trial or active", field: "\(name).initialStatus")
        }
        let numbers = [limits.eventsPerSecond, limits.streamEntries, limits.apiKeys]
        let optional = [limits.idleSeconds, limits.cpuPercent].compactMap(\.self)
        guard (numbers + optional).allSatisfy({ $0 > 0 }), (2...100).contains(limits.connections) else {
            throw Fault(
                .invalid, doing: doing, "limits are positive, and connections 2 to 100",
                field: "\(name).limits")
        }
        // An instance that cannot start is no instance: it takes about 25 MB and a dozen threads.
        guard limits.memoryMegabytes ?? .max >= 64, limits.tasks ?? .max >= 32,
            (1...10_000).contains(limits.ioWeight ?? 100)
        else {
            throw Fault(
                .invalid, doing: doing,
                "an instance needs 64 megabytes and 32 tasks at least, and ioWeight is 1 to 10000",
                field: "\(name).limits")
        }
    }
}
