import ArgumentParser
import Contract
import Foundation
import Kernel

struct QueueGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue",
        abstract: "Review what limits have kept from being merged.",
        discussion: """
            Example:
              constintel queue list --brand acme
            """,
        subcommands: [QueueList.self, QueueShow.self, QueueApprove.self, QueueReject.self])
}

struct QueueList: ServiceCommand {
    /// What has become of a row.
    enum Status: String, ExpressibleByArgument, CaseIterable {
        case pending, approved, rejected, merged
    }

    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the rows of the merge queue, the newest first.",
        discussion: """
            Example:
              constintel queue list --brand acme --status rejected
            """)

    private static let columns = [
        "id", "status", "profileIds", "identifier", "events", "reason", "createdAt",
    ]

    @Option(help: "Only rows of this status.") var status: Status = .pending
    @OptionGroup var brand: BrandOptions
    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(
                .get, "/api/merge-queue", query: [("status", status.rawValue)] + page.query,
                doing: "list the merge queue of '\(brand.slug)'"))
        try service.report(page: answer, columns: Self.columns)
    }
}

struct QueueShow: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one row with its evidence: profiles, pairs, events, suggestions.",
        discussion: """
            Example:
              constintel queue show 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --brand acme
            """)

    @Argument(help: "The row's id.") var id: String
    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.instance(of: brand.slug).send(
            Request(.get, "/api/merge-queue/\(escaped(id))", doing: "show the row \(id)"))
        try service.report(answer) {
            let row = try answer.decode(JSONValue.self)
            var lines = Description(
                ["id", "status", "reason", "events", "identifier", "createdAt", "shown"].map {
                    (name: $0, value: row[$0]?.text)
                }
            ).lines
            func list(_ title: String, _ items: [JSONValue]?, _ columns: [String]) {
                guard let items, !items.isEmpty else { return }
                lines += ["", title]
                lines += service.lines(JSONValue.table(items, columns: columns)).map { "  " + $0 }
            }
            list(
                "Profiles", row["profiles"]?.elements, ["id", "identifiers", "totalOrders", "lifetimeValue"])
            list("Pairs", row["pairs"]?.elements, ["left", "right"])
            list("Suggestions", row["suggestions"]?.elements, ["decision", "kind", "value", "rows"])
            return lines
        }
    }
}

/// An answer to a row of the queue.
protocol QueueAnswer: ServiceCommand {
    static var verb: String { get }
    var id: String { get }
    var brand: BrandOptions { get }
    var decision: DecisionOptions { get }
}

extension QueueAnswer {
    func run(on service: Service) async throws {
        try await service.decide(
            "/api/merge-queue/\(escaped(id))/\(Self.verb)",
            ReviewAnswer(reason: decision.reason, shown: decision.shown), decision, of: brand.slug,
            doing: "\(Self.verb) the row")
    }
}

struct QueueApprove: QueueAnswer {
    static let verb = "approve"
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Let what waits in a row come together.",
        discussion: """
            Example:
              constintel queue approve 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --brand acme \
            --reason "one household, one buyer" --preview
            """)

    @Argument(help: "The row's id.") var id: String
    @OptionGroup var decision: DecisionOptions
    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions
}

struct QueueReject: QueueAnswer {
    static let verb = "reject"
    static let configuration = CommandConfiguration(
        commandName: "reject",
        abstract: "Leave the profiles of a row as they are; the same pairs ask nothing again.",
        discussion: """
            Example:
              constintel queue reject 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --brand acme \
            --reason "a shop's phone"
            """)

    @Argument(help: "The row's id.") var id: String
    @OptionGroup var decision: DecisionOptions
    @OptionGroup var brand: BrandOptions
    @OptionGroup var options: ServiceOptions
}
