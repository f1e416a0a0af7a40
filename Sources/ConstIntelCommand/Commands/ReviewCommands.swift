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
        subcommands: [QueueList.self, QueueShow.self, QueueApprove.self, QueueReject.self, QueueNever.self])
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

/// Which row is answered, and how.
struct ReviewArguments: ParsableArguments {
    @Argument(help: "The row's id.") var id: String
    @OptionGroup var decision: DecisionOptions
    @OptionGroup var brand: BrandOptions
}

/// An answer to a row of the queue.
protocol QueueAnswer: ServiceCommand {
    static var verb: String { get }
    var row: ReviewArguments { get }
}

extension QueueAnswer {
    func run(on service: Service) async throws {
        try await service.decide(
            "/api/merge-queue/\(escaped(row.id))/\(Self.verb)",
            ReviewAnswer(reason: row.decision.reason, shown: row.decision.shown), row.decision,
            of: row.brand.slug, doing: "\(Self.verb) the row")
    }

    fileprivate static func configured(_ abstract: String, because reason: String) -> CommandConfiguration {
        CommandConfiguration(
            commandName: verb, abstract: abstract,
            discussion: """
                Example:
                  constintel queue \(verb) 0198c5f2-8b7a-7c3e-9d0a-0242ac120002 --brand acme \
                    --reason "\(reason)" --preview
                """)
    }
}

struct QueueApprove: QueueAnswer {
    static let verb = "approve"
    static let configuration = configured(
        "Let what waits in a row come together.", because: "one household, one buyer")

    @OptionGroup var row: ReviewArguments
    @OptionGroup var options: ServiceOptions
}

struct QueueReject: QueueAnswer {
    static let verb = "reject"
    static let configuration = configured(
        "Leave the profiles of a row as they are; the same pairs ask nothing again.",
        because: "a shop's phone")

    @OptionGroup var row: ReviewArguments
    @OptionGroup var options: ServiceOptions
}

struct QueueNever: QueueAnswer {
    static let verb = "never"
    static let configuration = configured(
        "Keep the two profiles of a row apart, whatever events tie them.", because: "father and son")

    @OptionGroup var row: ReviewArguments
    @OptionGroup var options: ServiceOptions
}
