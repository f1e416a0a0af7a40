import ArgumentParser
import Contract
import Foundation
import Kernel

struct OperationGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operation",
        abstract: "See and steer the service's long work, such as the making of a brand.",
        discussion: """
            Example:
              constintel operation list --state stuck
            """,
        subcommands: [
            OperationList.self, OperationShow.self, OperationWatch.self, OperationRetry.self,
            OperationUnwind.self,
        ])
}

extension OperationView.State: ExpressibleByArgument {}

struct OperationList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List operations, the newest first.",
        discussion: """
            Example:
              constintel operation list --subject acme --limit 10
            """)

    @Option(help: "Only operations on this brand's slug.")
    var subject: String?

    @Option(help: "Only operations in this state.")
    var state: OperationView.State?

    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let query = page.query(with: [("subject", subject), ("state", state?.rawValue)])
        let answer = try await service.control.send(
            Request(.get, "/api/admin/operations", query: query, doing: "list the operations"))
        try service.report(page: answer, of: OperationView.self) { operations in
            Table(
                [
                    .init("id"), .init("kind"), .init("subject"), .init("state"), .init("step"),
                    .init("updated"),
                ],
                rows: operations.map {
                    [
                        $0.id.description, $0.kind, $0.subject, $0.state.rawValue, $0.step ?? "",
                        $0.updatedAt.description,
                    ]
                })
        }
    }
}

struct OperationShow: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show how one operation and each of its steps stand.",
        discussion: """
            With --follow it is shown once it has ended, and anything but success is a failure.

            Example:
              constintel operation show 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --follow
            """)

    @Argument(help: "The operation's id.", transform: parseID)
    var id: OperationID

    @Flag(help: "Wait until it has ended.")
    var follow = false

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let follower = service.operations
        var answer = try await service.control.send(follower.request(id))
        if follow { answer = try await follower.follow(answer) }
        let operation = try answer.decode(OperationView.self)
        try service.report(answer) { service.lines(operation) }
        if follow { try operation.requireDone(doing: operation.doing) }
    }
}

extension Service {
    /// The operation as a person reads it, and below it its steps.
    func lines(_ operation: OperationView) -> [String] {
        guard let steps = operation.steps, !steps.isEmpty else { return operation.description.lines }
        let table = Table(
            [.init("step"), .init("state"), .init("tries", .right), .init("progress, or last error")],
            rows: steps.map {
                [$0.name, $0.state.rawValue, String($0.attempts), $0.progress ?? $0.error ?? ""]
            })
        return operation.description.lines + [""] + lines(table)
    }
}

extension OperationView {
    /// Finishes "could not …".
    var doing: String { "finish \(kind) of '\(subject)'" }

    /// The operation as a person reads it.
    var description: Description {
        let amount = progress.map { progress in
            let total = progress.total.map { " of \(grouped($0))" } ?? ""
            return "\(grouped(progress.done))\(total) \(progress.unit)"
        }
        let figures = (counts ?? [:]).sorted { $0.key < $1.key }
        return Description(
            [
                ("id", id.description), ("kind", kind), ("subject", subject), ("state", state.rawValue),
                ("step", step), ("progress", amount), ("error", error), ("runbook", runbook),
                ("asked by", requestedBy), ("held by", heldBy),
            ] + figures.map { (name: $0.key, value: Optional(grouped($0.value))) }
                + [("created", createdAt.description), ("updated", updatedAt.description)])
    }
}
