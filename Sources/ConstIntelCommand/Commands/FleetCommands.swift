import ArgumentParser
import Contract
import Foundation
import Kernel

struct ReleaseGroup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "See the releases that brands can be served by.",
        discussion: """
            Example:
              constintel release list
            """,
        subcommands: [ReleaseList.self])
}

struct ReleaseList: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the installed releases, and how many brands each is meant to serve.",
        discussion: """
            Example:
              constintel release list
            """)

    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(
            Request(.get, "/api/admin/releases", doing: "list the releases"))
        try service.report(page: answer, of: ReleaseView.self) { releases in
            Table(
                [.init("name"), .init("brands", .right)],
                rows: releases.map { [$0.name, grouped(Int64($0.brands))] })
        }
    }
}

struct Audit: ServiceCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read who did what, from where, with what result; the newest first.",
        discussion: """
            Example:
              constintel audit --subject acme --limit 20
            """)

    @Option(help: "Only what is about this brand's slug, also of one that is gone.")
    var subject: String?

    @Option(help: "Only what this one did: 'local', 'user <id>' or 'constinteld'.")
    var actor: String?

    @OptionGroup var page: PageOptions
    @OptionGroup var options: ServiceOptions

    func run(on service: Service) async throws {
        let answer = try await service.control.send(
            Request(
                .get, "/api/admin/audit",
                query: page.query(with: [("subject", subject), ("actor", actor)]), doing: "read the audit log"
            ))
        try service.report(page: answer, of: AuditEntry.self) { entries in
            Table(
                [
                    .init("at"), .init("actor"), .init("origin"), .init("action"), .init("subject"),
                    .init("outcome"), .init("operation"), .init("detail"),
                ],
                rows: entries.map {
                    [
                        $0.at.description, $0.actor, $0.origin, $0.action, $0.subject ?? "", $0.outcome,
                        $0.operation?.description ?? "", $0.detail ?? "",
                    ]
                })
        }
    }
}
