import ArgumentParser
import Contract
import Foundation
import Kernel
import Synchronization

struct OperationWatch: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Watch one operation live: a line for each step as it happens.",
        discussion: """
            It goes on when the daemon goes away and comes back, and ends as the operation does: anything \
            but success is a failure. As JSON, each change is the operation on one line.

            Example:
              constintel operation watch 0198c5f2-8b7a-7c3e-9d0a-0242ac120002
            """)

    @Argument(help: "The operation's id.", transform: parseID)
    var id: OperationID

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let steps = StepLines()
        let ended = try await OperationWatcher(service: service).watch(id) { view in
            switch service.output {
            case .json:
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
                guard let line = try? encoder.encode(view) else { return }
                service.streams.print(String(decoding: line, as: UTF8.self))
            case .table:
                let lines = steps.next(view)
                if !lines.isEmpty { await service.progress.clear() }
                for line in lines { service.streams.print(line) }
                await service.operations.show(view)
            }
        }
        await service.progress.clear()
        if service.output == .table, ended.state == .done {
            service.streams.print("\(ended.kind) of '\(ended.subject)' is done.")
        }
        try ended.requireDone(doing: ended.doing)
    }
}

/// Says of each step what has become of it, once.
final class StepLines: Sendable {
    private let seen = Mutex<[String: OperationView.Step]>([:])

    /// A line for each step that has changed since the view before, in the order in which it happened.
    func next(_ view: OperationView) -> [String] {
        let steps = view.steps ?? []
        let isGoingBack = view.isGoingBack
        return seen.withLock { seen in
            // The first ones were done first, and are taken back last.
            let changed = (isGoingBack ? steps.reversed() : steps).filter {
                $0.state != .pending && seen[$0.name] != $0
            }
            for step in changed { seen[step.name] = step }
            return changed.map { Self.line($0, at: view.updatedAt) }
        }
    }

    private static func line(_ step: OperationView.Step, at instant: Timestamp) -> String {
        let state = step.state.rawValue
        let padding = String(repeating: " ", count: max(0, 7 - state.count))
        var line = "\(instant)  \(state)\(padding)  \(step.name)"
        if step.attempts > 1 { line += ", try \(step.attempts)" }
        if let error = step.error { line += ": \(error)" }
        return printable(line)
    }
}

struct OperationRetry: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Go on with a stuck operation, in the direction that it was going.",
        discussion: """
            Remove the cause first: its runbook says how. The steps that are still to be done, or to be \
            taken back, are those that 'constintel operation show' lists.

            Example:
              constintel operation retry 0198c5f2-8b7a-7c3e-9d0a-0242ac120002
            """)

    @Argument(help: "The operation's id.", transform: parseID)
    var id: OperationID

    @Flag(help: "Do not wait until it has ended.")
    var noWait = false

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        try await service.steer(id, "retry", noWait: noWait)
    }
}

struct OperationUnwind: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "unwind",
        abstract: "Take back what an operation that has not ended did, as if it had never begun.",
        discussion: """
            It is refused when a step may have had its effect that cannot be taken back. The steps that are \
            taken back, the last one first, are those that 'constintel operation show' lists as done, \
            running or undoing.

            Example:
              constintel operation unwind 0198c5f2-8b7a-7c3e-9d0a-0242ac120002
            """)

    @Argument(help: "The operation's id.", transform: parseID)
    var id: OperationID

    @Flag(help: "Do not wait until it has ended.")
    var noWait = false

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        try await service.steer(id, "unwind", noWait: noWait)
    }
}

extension Service {
    /// Has the operation go on, or be taken back, and shows it once it has ended. Taken back is how one that
    /// was going back ends well.
    fileprivate func steer(_ id: OperationID, _ verb: String, noWait: Bool) async throws {
        let doing = "\(verb) the operation \(id)"
        var answer = try await write(Request(.post, "/api/admin/operations/\(id)/\(verb)", doing: doing))
        let isGoingBack = try verb == "unwind" || answer.decode(OperationView.self).isGoingBack
        if !noWait { answer = try await operations.follow(answer) }
        let operation = try answer.decode(OperationView.self)
        try report(answer) { lines(operation) }
        guard !noWait else { return }
        if isGoingBack, operation.isTakenBack {
            note("All that it did has been taken back.")
        } else {
            try operation.requireDone(doing: operation.doing)
        }
    }
}

extension OperationView {
    /// Whether what it did is being taken back, or has begun to be.
    fileprivate var isGoingBack: Bool {
        state == .unwinding || (steps ?? []).contains { $0.state == .undoing || $0.state == .undone }
    }

    /// Whether it ended with nothing left of what it did.
    fileprivate var isTakenBack: Bool {
        guard state == .failed || state == .cancelled, let steps else { return false }
        return steps.allSatisfy { $0.state == .undone || $0.state == .pending }
    }
}
