import Contract
import Foundation
import Kernel

/// Follows long work until nothing more will happen by itself.
struct OperationFollower: Sendable {
    /// How long the service may be away meanwhile: what it works on survives its restart.
    static let patience = Duration.seconds(120)

    let endpoint: Endpoint
    /// Where operations are: `/api/operations` of an instance, `/api/admin/operations` of the control plane.
    let path: String
    let progress: ProgressLine
    let pollInterval: Duration

    /// The last answer about the operation that `first` is about, in a final state.
    func follow(_ first: Answer) async throws -> Answer {
        var answer = first
        var answeredAt = ContinuousClock.now
        while true {
            let operation = try answer.decode(OperationView.self)
            await show(operation)
            if operation.state.isFinal { break }
            try await Task.sleep(for: pollInterval)
            do {
                answer = try await endpoint.send(request(operation.id))
                answeredAt = .now
            } catch let fault as Fault where fault.code == .unavailable {
                guard ContinuousClock.now - answeredAt < Self.patience else { throw fault }
            }
        }
        await progress.clear()
        return answer
    }

    /// A request for how the operation `id` stands.
    func request(_ id: OperationID) -> Request {
        Request(.get, "\(path)/\(id)", doing: "follow the operation \(id)")
    }

    /// Shows on a terminal how far the operation is.
    func show(_ operation: OperationView) async {
        let progress = operation.steps?.first { $0.state == .running }?.progress
        let step = operation.step.map { "(\($0)\(progress.map { ": \($0)" } ?? ""))" }
        let what = [operation.kind, operation.subject, step].compactMap { $0 }
        let amount = operation.progress ?? .init(done: 0, total: nil, unit: operation.state.rawValue)
        await self.progress.show(
            ProgressBar(
                label: what.joined(separator: " "), done: amount.done, total: amount.total, unit: amount.unit)
        )
    }
}

extension OperationView {
    /// Throws what went wrong unless the operation is done; `doing` finishes "could not …".
    func requireDone(doing: String) throws(Fault) {
        guard state != .done else { return }
        var detail = error ?? "the operation \(id) ended as \(state.rawValue)"
        if let step { detail += ", at the step '\(step)'" }
        if let runbook { detail += "; see \(runbook)" }
        throw Fault(.conflict, doing: doing, detail)
    }
}
