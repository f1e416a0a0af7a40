import Kernel
import Logging

/// What one step of an operation would do.
package struct PlannedStep: Sendable {
    package let name: String
    /// Whether it can be taken back.
    package let isReversible: Bool
    package let effects: [PlannedEffect]
}

extension Saga {
    /// What an operation with this input would do, step by step; nothing is done, and nothing is journaled.
    package func plan(
        subject: String, input: Step.Output, logger: Logger
    ) async throws -> [PlannedStep] {
        let context = StepContext(
            operation: UUIDv7(high: 0, low: 0), subject: subject, input: input, outputs: [:], isPlan: true,
            logger: logger)
        var planned: [PlannedStep] = []
        for step in steps {
            planned.append(
                PlannedStep(
                    name: step.name, isReversible: step.isReversible, effects: try await step.plan(context)))
        }
        return planned
    }
}
