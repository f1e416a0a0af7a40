import Contract
import Foundation
import Kernel
import Workflow

/// Everything of a brand that its operations change: what is meant, never what was seen.
///
/// An operation keeps the one before it, and takes itself back by writing that again.
struct BrandIntent: Codable, Sendable, Equatable {
    var settings: BrandSettings
    /// Rises with every change of the settings.
    var settingsVersion: Int64
    var plan: String
    var status: BrandView.Status
    /// Why it is suspended.
    var statusReason: String?
    /// What a suspended brand is when it is resumed.
    var resumesAs: BrandView.Status?
    /// When its trial ends or has ended: a brand has one.
    var trialEndsAt: Timestamp?
    /// What a deleted brand is when it is undeleted.
    var statusBefore: BrandView.Status?
    /// When a deleted brand's data goes for good.
    var purgeAfter: Timestamp?
    /// Whether a process is meant to run while the brand is not deleted.
    var instance: Instance.Intent
    /// The release that serves it; nil for the daemon's own.
    var release: String?
    var previousRelease: String?

    /// Whether a process is meant to run now.
    var runs: Bool { instance == .running && status != .deleted }
}

extension BrandIntent {
    /// As a step's output keeps it.
    func output() throws(Fault) -> Step.Output {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            return [BrandIntent.key: String(decoding: try encoder.encode(self), as: UTF8.self)]
        } catch {
            throw Fault(.internal, doing: "keep the brand's intent", "it cannot be encoded", cause: error)
        }
    }

    /// The one that the step `step` kept.
    init(of step: String, in context: StepContext) throws {
        let text = try context.output(BrandIntent.key, of: step)
        self = try JSONDecoder().decode(Self.self, from: Data(text.utf8))
    }

    private static let key = "before"

    /// What differs in `other`, for people: `status: active -> suspended`.
    func differences(to other: BrandIntent) -> [String] {
        func text(_ value: Any?) -> String { value.map { "\($0)" } ?? "none" }
        let pairs: [(String, Any?, Any?)] = [
            ("plan", plan, other.plan), ("status", status.rawValue, other.status.rawValue),
            ("status_reason", statusReason, other.statusReason),
            ("resumes_as", resumesAs?.rawValue, other.resumesAs?.rawValue),
            ("trial_ends_at", trialEndsAt, other.trialEndsAt),
            ("status_before", statusBefore?.rawValue, other.statusBefore?.rawValue),
            ("purge_after", purgeAfter, other.purgeAfter),
            ("intent", instance.rawValue, other.instance.rawValue), ("release", release, other.release),
            ("previous_release", previousRelease, other.previousRelease),
        ]
        let changed = settings.differences(to: other.settings).map {
            "\($0.name): \($0.before) -> \($0.after)"
        }
        return changed
            + pairs.compactMap { name, before, after in
                let (before, after) = (text(before), text(after))
                return before == after ? nil : "\(name): \(before) -> \(after)"
            }
    }
}
