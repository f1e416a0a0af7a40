import Contract
import Foundation
import Kernel

/// What a brand pays for: its limits, and what it is once provisioned. One file each in `templates/plans`.
struct Plan: Codable, Sendable, Equatable {
    typealias Limits = PlanLimits

    var name: String
    /// `trial` or `active`.
    var initialStatus: BrandView.Status
    /// How long a trial lasts; for ever when nil.
    var trialDays: Int?
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
        for plan in plans {
            do {
                try plan.check(doing: doing)
            } catch {
                throw error.at(plan.name)
            }
        }
        return plans
    }

    /// Days that a trial lasts at most.
    static let longestTrialDays = 365

    /// - Throws: `Fault.invalid` with the first field that is wrong and what was expected.
    func check(doing: String) throws(Fault) {
        guard initialStatus == .trial || initialStatus == .active else {
            throw Fault(.invalid, doing: doing, "expected trial or active", field: "initialStatus")
        }
        guard (1...Plan.longestTrialDays).contains(trialDays ?? 1) else {
            throw Fault(
                .invalid, doing: doing, "expected 1 to \(Plan.longestTrialDays) days", field: "trialDays")
        }
        try limits.check(doing: doing)
    }
}

extension PlanLimits {
    /// What each number may be. An instance that cannot start is no instance: it takes about 25 MB and a
    /// dozen threads.
    private var ranges: [(name: String, value: Int?, range: ClosedRange<Int>)] {
        let many = 1...1_000_000_000_000
        return [
            ("eventsPerSecond", eventsPerSecond, 1...1_000_000), ("eventsPerMonth", eventsPerMonth, many),
            ("profiles", profiles, many), ("users", users, 1...1_000_000),
            ("streamEntries", streamEntries, 1...100_000_000), ("connections", connections, 2...100),
            ("apiKeys", apiKeys, 1...1000), ("retentionDays", retentionDays, 30...36_500),
            ("backupHours", backupHours, 1...720), ("backupKeepDays", backupKeepDays, 1...3650),
            ("idleSeconds", idleSeconds, 1...31_536_000),
            ("memoryMegabytes", memoryMegabytes, 64...16_777_216),
            ("cpuPercent", cpuPercent, 1...100_000), ("tasks", tasks, 32...1_000_000),
            ("ioWeight", ioWeight, 1...10_000),
        ]
    }

    /// - Throws: `Fault.invalid` with the first limit that is beyond what is possible.
    func check(doing: String) throws(Fault) {
        for (name, value, range) in ranges {
            guard let value, !range.contains(value) else { continue }
            throw Fault(
                .invalid, doing: doing, "expected \(range.lowerBound) to \(range.upperBound)",
                field: "limits.\(name)")
        }
        for feature in features ?? [] {
            guard (1...64).contains(feature.utf8.count),
                feature.utf8.allSatisfy({ $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") })
            else {
                throw Fault(
                    .invalid, doing: doing, "expected names of letters, digits and hyphens",
                    field: "limits.features")
            }
        }
    }
}
