import ArgumentParser
import Contract
import Foundation
import Kernel

/// The option of every command that changes something in the control plane.
struct PlanOptions: ParsableArguments {
    @Flag(help: "Show the steps and what each of them would do, and do nothing.")
    var plan = false
}

/// The options of commands that begin an operation.
struct ChangeOptions: ParsableArguments {
    @Flag(help: "Do not wait until it is done; print the operation, to be watched.")
    var noWait = false

    @OptionGroup var plan: PlanOptions
}

/// A command that changes one brand by an operation, and shows the brand once it has.
protocol BrandChangeCommand: ServiceCommand {
    var slug: Slug { get }
    var change: ChangeOptions { get }

    /// What asks for the change.
    func request() throws -> Request
}

extension BrandChangeCommand {
    func run(on service: Service) async throws {
        let request = try request()
        guard let started = try await service.write(request, unless: change.plan),
            try await service.finish(started, change, doing: request.doing) != nil
        else { return }
        try await service.show(slug)
    }
}

extension Service {
    /// The answer to `request`, which changes something; its key makes one request of all its repetitions.
    func write(_ request: Request) async throws -> Answer {
        var request = request
        request.idempotencyKey = UUIDv7(at: surroundings.clock.now()).description
        return try await control.send(request)
    }

    /// The answer to `request`; nil when only its plan was asked for, which is printed.
    func write(_ request: Request, unless options: PlanOptions) async throws -> Answer? {
        guard options.plan else { return try await write(request) }
        try await show(planOf: request)
        return nil
    }

    /// Prints what `request` would do. It does nothing, and so is not remembered by a key.
    func show(planOf request: Request) async throws {
        var request = request
        request.query.append(("plan", "true"))
        let answer = try await control.send(request)
        try report(answer) { try answer.decode(OperationPlan.self).lines }
    }

    /// The operation of `started` once it is done; nil when it is not to be waited for, and is printed.
    ///
    /// - Throws: what went wrong, when it ended otherwise.
    func finish(_ started: Answer, _ options: ChangeOptions, doing: String) async throws -> Answer? {
        if options.noWait {
            try report(started) { try started.decode(OperationView.self).description.lines }
            return nil
        }
        let ended = try await operations.follow(started)
        try ended.decode(OperationView.self).requireDone(doing: doing)
        return ended
    }

    /// Prints the brand as it is now.
    func show(_ slug: Slug) async throws {
        let answer = try await control.send(.brand(slug))
        try report(answer) { try answer.decode(BrandView.self).description.lines }
    }

    /// Follows the control plane's operations.
    var operations: OperationFollower { follower("/api/admin/operations", at: control) }

    /// Lets a person type the slug of the brand that `warning` is about, before anything is done.
    ///
    /// - Throws: a fault when something else is typed, or nobody is there; it names `option`, which stands
    ///   for the typing.
    func confirm(_ word: String, _ warning: String, option: String, doing: String) throws {
        guard surroundings.inputIsTerminal else {
            throw Fault(.invalid, doing: doing, "there is no terminal to confirm it at; use \(option)")
        }
        note(warning)
        streams.error("Type '\(word)' to go on: ")
        guard surroundings.readLine() == word else {
            throw Fault(.invalid, doing: doing, "what was typed is not '\(word)'; nothing has been done")
        }
    }
}

extension OperationPlan {
    /// The plan as a person reads it: numbered steps, and under each what it would do, where.
    var lines: [String] {
        guard !steps.isEmpty else { return ["\(kind) of '\(subject)' would change nothing."] }
        let numbered = zip(1..., steps).flatMap { number, step in
            let mark = step.isReversible ? "" : "  (cannot be taken back)"
            return ["\(number). \(printable(step.name))\(mark)"] + step.lines.map { "   " + $0 }
        }
        let count = steps.count == 1 ? "1 step" : "\(steps.count) steps"
        return ["\(kind) of '\(subject)', \(count):", ""] + numbered + ["", "Nothing has been done."]
    }
}

extension OperationPlan.Step {
    /// Each effect behind its target, a statement's further lines below its first.
    fileprivate var lines: [String] {
        let width = effects.map { displayWidth($0.target) }.max() ?? 0
        return effects.flatMap { effect in
            effect.action.split(separator: "\n").enumerated().map { index, line in
                let target = index == 0 ? printable(effect.target) : ""
                let padding = String(repeating: " ", count: width - displayWidth(target) + 2)
                return target + padding + printable(String(line))
            }
        }
    }
}
